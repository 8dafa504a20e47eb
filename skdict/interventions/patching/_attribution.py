"""Effect of patching each feature alone, exact or approximated by gradients."""

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
    r"""Measure how patching each feature alone changes a behaviour.

    For each pair of prompts, a feature's code c' in the run on the prompt (the base run) is
    replaced at every position by its code c in the run on the counterfactual (the target run).
    With the metric M averaged over pairs and decoder directions f,

    .. math::
        \mathrm{exact}_i &= M(x' + (c_i - c'_i) f_i) - M(x'), \\
        \mathrm{attribution}_i &= \textstyle\sum (c_i - c'_i) \; f_i \cdot \nabla M(x'), \\
        \mathrm{integrated}_i &= \textstyle\sum (c_i - c'_i) \; f_i \cdot \frac1N
            \sum_{s=1}^{N} \nabla M(x' + \frac{s - 1/2}{N} (x - x')),

    with sums over positions. The integrated effects and the share of the reconstruction error add
    up to M(x) - M(x') as N grows; `completeness_gap` reports the remaining difference.

    Parameters
    ----------
    model : module, str, path or (module, tokenizer)
        Causal language model, loaded or given by name or folder.
    hook_point : str
        Hook point to patch, such as "resid_post.2".
    dictionary : estimator
        Fitted dictionary: any estimator with `components_`, `transform` and `inverse_transform`.
    task : Bunch
        Prompt pairs from `make_ioi`, `make_pronouns` or `make_agreement`, or any Bunch with
        `prompt_ids`, `counterfactual_ids` (of equal length within a pair) and `answer_ids`.
    method : {"exact", "attribution", "integrated_gradients"}, default="exact"
        Method of measurement. "exact" runs the model above the hook point once for each feature
        and each pair in which the feature's codes differ. "attribution" takes one forward and
        backward pass in all, "integrated_gradients" takes `n_steps`.
    metric : {"kl", "reverse_kl", "logit_diff"}, default="kl"
        Metric at the last position of a prompt, in nats. "kl" is KL(patched || target), as in
        [1]_; "reverse_kl" is KL(target || patched); "logit_diff" is the log-probability of the
        right answer minus that of the wrong one, summed over all tokens of an answer.
    n_steps : int, default=10
        Number N of steps of "integrated_gradients".
    batch_size : int, default=256
        Number of prompts per forward pass.

    Returns
    -------
    Bunch
        effects : ndarray of shape (n_components,)
            Change in the metric per feature; 0 for features whose codes do not differ.
        error_effect : float
            Change in the metric from the reconstruction error :math:`e - e'`.
        base, target : float
            Metric of the two runs. A divergence is 0 for the target run.
        completeness_gap : float or None
            With "integrated_gradients", :math:`\sum_i \mathrm{integrated}_i` plus the share of
            the error, minus :math:`M(x) - M(x')`; None with other methods.

    Raises
    ------
    TypeError
        If the task, the model or the dictionary has the wrong type.
    ValueError
        If the prompts of a pair differ in length, the hook point does not exist or the metric
        does not depend on it, the dictionary does not match its width, or a parameter is out of
        range.

    See Also
    --------
    patching_curve : Patch more and more features.
    intervene : Apply any edit, or a fitted eraser, to a running model.

    Notes
    -----
    Codes are patched directly, so no edit is passed. To measure another edit or an eraser, run the
    model inside `intervene`.

    A divergence is smallest at the target run and has zero gradient there. Gradients are therefore
    taken at the base run and on the line between the runs.

    References
    ----------
    .. [1] Cunningham, Ewart, Riggs, Huben and Sharkey (2023), "Sparse Autoencoders Find Highly
       Interpretable Features in Language Models", section 4. Attribution patching is due to Nanda
       (2023), integrated gradients to Sundararajan et al. (2017).

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
    """Return the effects of the differing features and of the error, by gradients.

    Parameters
    ----------
    runs : PairedRuns
        Base and target runs.
    metric : str
        Metric, one of `METRICS`.
    n_steps : int
        Number of midpoints between base and target; 0 uses only the gradient at the base run.

    Returns
    -------
    (ndarray of shape (n_differing,), float)
        Changes in the mean metric over pairs.
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
