"""Measure how well a model works on the reconstructions of a dictionary."""

import warnings

import numpy as np
import torch
from sklearn.utils import Bunch

from skdict.interventions import (
    Reconstruct,
    Replace,
    find_pair,
    frozen_dictionary,
    mean_row,
    measure_edits,
    split_pair,
    text_batches,
)
from skdict.models import loaded_pair

SMALLEST_DAMAGE = 1e-6


def loss_recovered(
    model,
    hook_point,
    dictionary,
    texts,
    *,
    max_length=256,
    batch_size=8,
    skip_first=1,
    device="auto",
    revision=None,
    trust_remote_code=False,
):
    r"""Measure a language model with its activations replaced by their reconstruction.

    For a transcoder, pass the pair of hook points that it reads and predicts: the activations at
    the second are replaced by what it predicts from those at the first, skip connection included.
    With H the mean cross-entropy of the next token for the unedited model, the model with
    reconstructed activations and the model with ablated activations, the loss recovered is

    .. math:: \frac{H_\mathrm{ablated} - H_\mathrm{reconstructed}}
              {H_\mathrm{ablated} - H_\mathrm{model}}.

    It is 1 if nothing is lost, 0 if the reconstruction is no better than ablation, and negative if
    it is worse. Ablating a residual stream, to zero or to the mean, does so much damage that almost
    any reconstruction recovers most of it. Compare dictionaries by the increase in cross-entropy,
    which needs no baseline.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        Causal language model: a name, a folder, or a loaded model with its tokenizer.
    hook_point : str, (str, str) or ((str, ...), str)
        Hook point whose activations are replaced, see `ActivationExtractor`; or the two that a
        transcoder reads and predicts, such as ``("mlp_in.2", "mlp_out.2")``, or those of a
        crosscoder's block, see `intervene`.
    dictionary : estimator, or dict of str to estimator
        Dictionary fitted on activations from this hook point, or transcoder fitted on those from
        the pair. A dict of several shares the passes of the unedited and of the ablated model.
    texts : list of str
        Texts to evaluate on, preferably held out from fitting the dictionary.
    max_length : int, default=256
        Maximum number of tokens read from each text, special tokens included.
    batch_size : int, default=8
        Number of texts per forward pass.
    skip_first : int, default=1
        Number of positions at the start of each text that are neither edited nor counted. Special
        tokens are excluded in the same way.
    device : str, default="auto"
        Device for a model given by name or folder.
    revision : str or None, default=None
        Branch, tag or commit of a model on the hub.
    trust_remote_code : bool, default=False
        If True, run the Python code that comes with a model given by name or folder. Read that
        code first.

    Returns
    -------
    Bunch, or dict of str to Bunch
        By name, if several dictionaries were given.

        cross_entropy, cross_entropy_reconstructed, cross_entropy_zero, cross_entropy_mean : float
            Cross-entropy in nats per token: of the unedited model, and with activations replaced
            by their reconstruction (with a transcoder, its prediction), by zero and by their mean
            over these texts.
        cross_entropy_increase : float
            Increase due to the reconstruction.
        loss_recovered_zero, loss_recovered_mean : float
            Loss recovered relative to zero and to mean ablation; nan if that ablation does no
            damage.
        kl_divergence, kl_zero, kl_mean : float
            Mean KL divergence of the edited from the unedited predictions, KL(unedited ||
            edited), in nats per token, for the reconstruction, zero and mean ablation.
        perplexity, perplexity_reconstructed : float
            Exponentials of the cross-entropies.
        n_tokens : int
            Number of predicted tokens. Means are ratios of float64 sums over all of them and do
            not depend on the batches.

    Raises
    ------
    TypeError
        If the model has no tokenizer or returns no logits, `dictionary` is not a dictionary, or
        `texts` is not a list of strings.
    ValueError
        If a hook point does not exist or differs in width from the dictionary, a transcoder comes
        with a single hook point or another dictionary with a pair, the second of a pair is computed
        before the first, a dict of dictionaries is empty, no text has two ordinary tokens in a row,
        or a parameter is out of range.

    Warns
    -----
    RuntimeWarning
        If an ablation does no damage, so that there is no loss to recover.

    See Also
    --------
    skdict.metrics.fvu : Fraction of the variance of the rows that a reconstruction misses.

    Examples
    --------
    >>> from sklearn.decomposition import PCA
    >>> from skdict import ActivationExtractor, load_stories
    >>> from skdict.evaluation import loss_recovered
    >>> stories = load_stories()
    >>> texts = stories.texts[:8]
    >>> acts = ActivationExtractor(stories.model, "resid_post.2").fit_transform(texts)
    >>> whole = loss_recovered(stories.model, "resid_post.2", PCA().fit(acts), texts)
    >>> abs(whole.cross_entropy_increase) < 1e-4
    True
    >>> some = loss_recovered(stories.model, "resid_post.2", PCA(8).fit(acts), texts)
    >>> 0 < some.loss_recovered_mean < 1
    True

    A transcoder takes the place of the MLP that it was fitted on:

    >>> from skdict import SparseTranscoder
    >>> from skdict.feature_extraction import extract_activations
    >>> rows = extract_activations(stories.model, ["mlp_in.2", "mlp_out.2"], texts)
    >>> transcoder = SparseTranscoder(64, activation="topk", target_l0=8, random_state=0)
    >>> transcoder = transcoder.fit(rows["mlp_in.2"], rows["mlp_out.2"])
    >>> mlp = loss_recovered(stories.model, ("mlp_in.2", "mlp_out.2"), transcoder, texts)
    >>> 0 < mlp.loss_recovered_mean < 1
    True
    """
    module, tokenizer = loaded_pair(
        model, device=device, revision=revision, trust_remote_code=trust_remote_code
    )
    find_pair(module, hook_point)
    several = dictionary if isinstance(dictionary, dict) else {"": dictionary}
    if not several:
        raise ValueError("dictionary={} has no dictionary; pass at least one, by name")
    frozen = [frozen_dictionary(one, module, hook_point) for one in several.values()]
    options = {"max_length": max_length, "batch_size": batch_size, "skip_first": skip_first}
    batches = text_batches(module, tokenizer, texts, **options)
    replaced = split_pair(hook_point)[1]
    mean = mean_row(module, replaced, batches)
    rows = {"zero": torch.zeros_like(mean), "mean": mean}
    edits = {name: (replaced, None, Replace(row)) for name, row in rows.items()}
    # Numbers, because a dictionary may have any name.
    edits |= {i: (hook_point, one, Reconstruct()) for i, one in enumerate(frozen)}
    losses, divergences, n_tokens = measure_edits(module, edits, batches)
    found = {}
    for i, name in enumerate(several):
        found[name] = _measures(i, losses, divergences, n_tokens)
    return found if isinstance(dictionary, dict) else found[""]


def _measures(edit, losses, divergences, n_tokens):
    """Return the measures of one reconstruction."""
    loss, reconstructed = losses[""], losses[edit]
    return Bunch(
        cross_entropy=loss,
        cross_entropy_reconstructed=reconstructed,
        cross_entropy_zero=losses["zero"],
        cross_entropy_mean=losses["mean"],
        cross_entropy_increase=reconstructed - loss,
        loss_recovered_zero=_recovered(losses, edit, "zero"),
        loss_recovered_mean=_recovered(losses, edit, "mean"),
        kl_divergence=divergences[edit],
        kl_zero=divergences["zero"],
        kl_mean=divergences["mean"],
        perplexity=float(np.exp(loss)),
        perplexity_reconstructed=float(np.exp(reconstructed)),
        n_tokens=n_tokens,
    )


def _recovered(losses, edit, ablation):
    damage = losses[ablation] - losses[""]
    if abs(damage) < SMALLEST_DAMAGE:
        warnings.warn(
            f"{ablation} ablation changes the cross-entropy by {damage:.1g} nats, so there is no "
            f"loss to recover and loss_recovered_{ablation} is nan; use cross_entropy_increase "
            f"instead",
            RuntimeWarning,
            stacklevel=4,
        )
        return float("nan")
    return (losses[ablation] - losses[edit]) / damage
