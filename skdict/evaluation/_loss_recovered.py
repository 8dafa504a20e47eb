"""How much of a model survives when a dictionary's reconstruction takes its place."""

import warnings

import numpy as np
import torch
from sklearn.utils import Bunch

from skdict.interventions import (
    Reconstruct,
    Replace,
    frozen_dictionary,
    mean_row,
    measure_edits,
    text_batches,
)
from skdict.models import find_hook_point, loaded_pair

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
    r"""Measure the language model with the reconstruction in place of its activations.

    With H the mean cross-entropy of the next token, of the model itself, with the
    reconstruction put in, and with the activations ablated, the loss recovered is

    .. math:: \frac{H_\mathrm{ablated} - H_\mathrm{reconstructed}}
              {H_\mathrm{ablated} - H_\mathrm{model}},

    1 where nothing is lost, 0 where the reconstruction is no better than none, and below where
    it is worse. Ablation of a residual stream, to zero or to the mean, is so ruinous that nearly
    everything recovers most of it: compare methods by the increase of cross-entropy, which
    needs no baseline.

    Parameters
    ----------
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase)
        A causal language model: a name, a folder, or a loaded one with its tokenizer.
    hook_point : str
        Where the reconstruction is put in, as of `ActivationExtractor`.
    dictionary : estimator
        Fitted on activations of this hook point.
    texts : list of str
        Texts, best such that the dictionary was not fitted on them.
    max_length : int, default=256
        Tokens read of a text, special ones included.
    batch_size : int, default=8
        Texts in a forward pass.
    skip_first : int, default=1
        Positions at the start of a text that are neither edited nor counted. Special tokens
        are neither, either.
    device : str, default="auto"
        Where a model given by name or folder runs.
    revision : str or None, default=None
        Branch, tag or commit of a model on the hub.
    trust_remote_code : bool, default=False
        Run the Python code that a model given by name or folder brings with it. Read that code
        first.

    Returns
    -------
    Bunch
        cross_entropy, cross_entropy_reconstructed, cross_entropy_zero, cross_entropy_mean : float
            In nats per token: the model itself, with the reconstruction, with zero and with the
            mean activation (over these texts) in place of activations.
        cross_entropy_increase : float
            What the reconstruction adds.
        loss_recovered_zero, loss_recovered_mean : float
            Against zero and against mean ablation; nan where ablation does no damage.
        kl_divergence, kl_zero, kl_mean : float
            Mean KL divergence of the edited predictions from the model's own, KL(own || edited),
            in nats per token.
        perplexity, perplexity_reconstructed : float
            exp of the cross-entropies.
        n_tokens : int
            Tokens predicted. Means are ratios of float64 sums over all of them, so they do not
            depend on the batches.

    Raises
    ------
    TypeError
        If the model comes without tokenizer or gives no logits, the dictionary is none, or the
        texts are no list of strings.
    ValueError
        If the hook point does not exist or is of another width, no text has two ordinary tokens
        in a row, or a parameter is out of range.

    Warns
    -----
    RuntimeWarning
        If ablation does no damage, so that there is nothing to recover.

    See Also
    --------
    skdict.metrics.fvu : What the reconstruction misses of the rows themselves.

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
    """
    module, tokenizer = loaded_pair(
        model, device=device, revision=revision, trust_remote_code=trust_remote_code
    )
    find_hook_point(module, hook_point)
    frozen = frozen_dictionary(dictionary, module)
    options = {"max_length": max_length, "batch_size": batch_size, "skip_first": skip_first}
    batches = text_batches(module, tokenizer, texts, **options)
    mean = mean_row(module, hook_point, batches)
    edits = {
        "reconstructed": Reconstruct(),
        "zero": Replace(torch.zeros_like(mean)),
        "mean": Replace(mean),
    }
    loss, divergence, n_tokens = measure_edits(module, hook_point, frozen, edits, batches)
    return Bunch(
        cross_entropy=loss[""],
        cross_entropy_reconstructed=loss["reconstructed"],
        cross_entropy_zero=loss["zero"],
        cross_entropy_mean=loss["mean"],
        cross_entropy_increase=loss["reconstructed"] - loss[""],
        loss_recovered_zero=_recovered(loss, "zero"),
        loss_recovered_mean=_recovered(loss, "mean"),
        kl_divergence=divergence["reconstructed"],
        kl_zero=divergence["zero"],
        kl_mean=divergence["mean"],
        perplexity=float(np.exp(loss[""])),
        perplexity_reconstructed=float(np.exp(loss["reconstructed"])),
        n_tokens=n_tokens,
    )


def _recovered(loss, ablation):
    damage = loss[ablation] - loss[""]
    if abs(damage) < SMALLEST_DAMAGE:
        warnings.warn(
            f"{ablation} ablation changes the cross-entropy by {damage:.1g} nats, so there is no "
            f"loss to recover and loss_recovered_{ablation} is nan; look at "
            f"cross_entropy_increase",
            RuntimeWarning,
            stacklevel=3,
        )
        return float("nan")
    return (loss[ablation] - loss["reconstructed"]) / damage
