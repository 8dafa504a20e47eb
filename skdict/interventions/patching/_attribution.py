"""How much each feature, patched by itself, would change the metric: exactly, or by gradients."""

import numpy as np
import torch
from sklearn.utils import Bunch

from skdict._validation import check_choice, check_number
from skdict.interventions.patching._paired_runs import METRICS, PairedRuns, needs_answers
from skdict.interventions.patching._patch_state import PatchState
from skdict.models import evaluation_mode, loaded_model

METHODS = ("exact", "attribution", "integrated_gradients")


def patching_effects(
    model,
    hook_point,
    dictionary,
    task,
    *,
    method="exact",
    metric="kl",
    n_steps=10,
    batch_size=256,
):
    r"""Measure what each feature does to a behaviour when it alone is patched.

    For pairs of prompts, a feature's code c' in the run on the prompt (the base run) is replaced
    by its code c in the run on the counterfactual (the target run), at every position. With the
    metric M, mean over pairs, and the atoms f,

    .. math::
        \mathrm{exact}_i &= M(x' + (c_i - c'_i) f_i) - M(x'), \\
        \mathrm{attribution}_i &= \textstyle\sum (c_i - c'_i) \; f_i \cdot \nabla M(x'), \\
        \mathrm{integrated}_i &= \textstyle\sum (c_i - c'_i) \; f_i \cdot \frac1N
            \sum_{s=1}^{N} \nabla M(x' + \frac{s - 1/2}{N} (x - x')),

    with sums over positions. The last adds up to M(x) - M(x') with the share of the
    reconstruction error; by how much it misses is reported.

    Parameters
    ----------
    model : module, str, path or (module, tokenizer)
        A causal language model, loaded or by name or folder.
    hook_point : str
        Where, such as "resid_post.2".
    dictionary : estimator
        Fitted: anything with `components_`, `transform` and `inverse_transform`.
    task : Bunch
        What `make_ioi`, `make_pronouns` or `make_agreement` returns, or any Bunch with
        `prompt_ids`, `counterfactual_ids` (equally long in a pair) and `answer_ids`.
    method : {"exact", "attribution", "integrated_gradients"}, default="exact"
        "exact" runs the model above the hook point once for each feature and each pair in
        which the feature's codes differ; the others need one or `n_steps` forward and backward
        passes in all.
    metric : {"kl", "reverse_kl", "logit_diff"}, default="kl"
        At the last position of a prompt, in nats: the divergence KL(patched || target) as in
        [1]_, or KL(target || patched); or the log probability of the right answer less that of
        the wrong one, all tokens of an answer counted.
    n_steps : int, default=10
        N of integrated gradients.
    batch_size : int, default=256
        Prompts of one forward pass.

    Returns
    -------
    Bunch
        effects : ndarray of shape (n_components,)
            Change of the metric; 0 for features whose codes do not differ.
        error_effect : float
            The same for the reconstruction error :math:`e - e'`.
        base, target : float
            The metric of the two runs. With a divergence the target's is 0.
        completeness_gap : float or None
            Of integrated gradients: :math:`\sum_i \mathrm{integrated}_i` and the error's share,
            less :math:`M(x) - M(x')`.

    Raises
    ------
    TypeError
        If the task, the model or the dictionary is of a wrong kind.
    ValueError
        If prompts of a pair differ in length, the hook point does not exist or the metric does
        not depend on it, the dictionary is of another width, or a parameter is out of range.

    See Also
    --------
    patching_curve : Patches more and more features.

    Notes
    -----
    At the target run a divergence is at its minimum, so its gradient is zero there: gradients
    are taken at the base run and on the way.

    References
    ----------
    .. [1] Cunningham, Ewart, Riggs, Huben and Sharkey (2023), "Sparse Autoencoders Find Highly
       Interpretable Features in Language Models", section 4. Attribution patching is of Nanda
       (2023), integrated gradients of Sundararajan et al. (2017).

    Examples
    --------
    >>> import torch
    >>> from transformers import AutoTokenizer
    >>> from skdict import load_stories
    >>> from skdict.datasets import make_ioi
    >>> from skdict.decomposition import IdentityDictionary
    >>> from skdict.interventions import patching_effects
    >>> folder = load_stories().model
    >>> ioi = make_ioi(4, AutoTokenizer.from_pretrained(folder), random_state=0)
    >>> neurons = IdentityDictionary().fit(torch.zeros(2, 128).numpy())
    >>> found = patching_effects(folder, "resid_post.2", neurons, ioi, method="attribution")
    >>> found.effects.shape
    (128,)
    """
    check_choice("method", method, METHODS)
    check_choice("metric", metric, METRICS)
    check_number("n_steps", n_steps, low=1, integer=True)
    check_number("batch_size", batch_size, low=1, integer=True)
    module = loaded_model(model)
    with evaluation_mode(module):
        runs = PairedRuns(
            module,
            hook_point,
            dictionary,
            task,
            with_answers=metric == "logit_diff" and needs_answers(task),
            batch_size=batch_size,
        )
        return _measure(runs, method, metric, n_steps)


def _measure(runs, method, metric, n_steps):
    pairs = np.arange(runs.n_pairs)
    base, target = (float(runs.values(metric, pairs, x).mean()) for x in (runs.base, runs.target))
    if method == "exact":
        effects = PatchState(runs, metric, runs.base).gains(np.arange(len(runs.features)))
        error = runs.values(metric, pairs, runs.base + runs.error).mean() - base
    else:
        n_steps = 0 if method == "attribution" else n_steps
        effects, error = gradient_effects(runs, metric, n_steps)
    total = np.zeros(runs.n_components)
    total[runs.features] = effects
    gap = None
    if method == "integrated_gradients":
        gap = float(effects.sum() + error - (target - base))
    return Bunch(
        effects=total, error_effect=float(error), base=base, target=target, completeness_gap=gap
    )


def gradient_effects(runs, metric, n_steps):
    """Return effects of differing features and of the error, by gradients.

    Parameters
    ----------
    runs : PairedRuns
        The two runs.
    metric : str
        Of `METRICS`.
    n_steps : int
        Midpoints of the way from base to target; 0 for the gradient at the base run alone.

    Returns
    -------
    (ndarray of shape (n_differing,), float)
        Changes of the metric's mean over pairs.
    """
    way = runs.target - runs.base
    places = [0.0] if n_steps == 0 else (np.arange(n_steps) + 0.5) / n_steps
    gradient = torch.zeros_like(way, dtype=torch.float64)
    for place in places:
        gradient += runs.gradient(metric, runs.base + float(place) * way).double()
    gradient /= len(places) * runs.n_pairs
    along = torch.einsum("nrld,md->mnrl", gradient, runs.atoms.double())
    effects = (along * runs.delta).flatten(1).sum(dim=1)
    return effects.cpu().numpy(), float((gradient * runs.error).sum())
