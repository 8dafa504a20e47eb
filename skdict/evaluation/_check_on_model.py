"""Check a published dictionary on the model that it was trained on."""

import numbers

import numpy as np

from skdict._core import InlierMoments, find_outlier_rule
from skdict._validation import as_rows
from skdict.decomposition import (
    are_dead,
    check_is_dictionary,
    encode_blocks,
    firing_counts,
    is_transcoder,
)
from skdict.evaluation._loss_recovered import loss_recovered
from skdict.evaluation._model_check import ModelCheck
from skdict.feature_extraction import extract_activations
from skdict.models import loaded_pair

REPORTED = ("l0", "n_dead")


def check_on_model(
    dictionary,
    model=None,
    texts=None,
    *,
    hook_point=None,
    max_length=256,
    batch_size=8,
    skip_first=1,
    device="auto",
    revision=None,
    trust_remote_code=False,
):
    """Check a dictionary on a running model, next to what its publisher reports.

    L0, FVU, dead features and the loss recovered show whether files were understood: a threshold in
    another unit changes L0, and a transposed decoder, another scale of the rows or another hook
    point leave most of the variance unexplained.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary, such as one from `load_dictionary`.
    model : str, path or (PreTrainedModel, PreTrainedTokenizerBase), optional
        Causal language model: a name, a folder, or a loaded model with its tokenizer. By default
        the one that ``metadata_`` names.
    texts : list of str
        Texts to evaluate on, preferably like those that the dictionary was trained on. A few
        thousand tokens are enough for L0 and FVU.
    hook_point : str or (str, str), optional
        Hook point of the rows; for a transcoder, those of rows and of targets. By default those
        that ``metadata_`` names.
    max_length : int, default=256
        Maximum number of tokens read from each text, special tokens included.
    batch_size : int, default=8
        Number of texts per forward pass.
    skip_first : int, default=1
        Number of positions at the start of each text that are neither encoded nor edited. Special
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
    ModelCheck
        Measures, reported values and a verdict: "suspect", with the reasons in `problems`, "agrees
        with the publisher", or "plausible" if no L0 is reported. L0 counts as equal within a factor
        of 1.5, because it depends on the texts.

    Raises
    ------
    TypeError
        If `texts` is not a list of strings, the model has no tokenizer, or `dictionary` is not a
        dictionary.
    ValueError
        If neither an argument nor ``metadata_`` states the model or the hook point, the hook point
        does not exist or has another width, or a parameter is out of range.

    See Also
    --------
    loss_recovered : Cross-entropy with reconstructed activations, in detail.
    skdict.io.load_dictionary : Load a published dictionary.

    Examples
    --------
    >>> from skdict import SparseDictionaryAutoencoder, load_stories
    >>> from skdict.evaluation import check_on_model
    >>> from skdict.feature_extraction import ActivationExtractor
    >>> stories = load_stories()
    >>> acts = ActivationExtractor(stories.model, "resid_post.2").fit_transform(stories.texts[:30])
    >>> sae = SparseDictionaryAutoencoder(256, random_state=0).fit(acts)
    >>> check = check_on_model(
    ...     sae, stories.model, stories.texts[30:36], hook_point="resid_post.2"
    ... )
    >>> check.verdict
    'plausible'
    """
    last = check_is_dictionary(dictionary)
    metadata = getattr(last, "metadata_", {})
    model = _stated("model", model, metadata)
    points = _hook_points(hook_point, metadata, is_transcoder(last))
    pair = loaded_pair(model, device=device, revision=revision, trust_remote_code=trust_remote_code)
    options = {"max_length": max_length, "batch_size": batch_size, "skip_first": skip_first}
    rows = extract_activations(pair, points, texts, skip_special_tokens=True, **options)
    loss = None
    if not hasattr(last, "row_norm_"):
        place = points if is_transcoder(last) else points[0]
        loss = loss_recovered(pair, place, dictionary, texts, **options)
    return ModelCheck(
        **_measured(dictionary, rows[points[0]], rows[points[-1]]),
        loss=loss,
        reported={n: metadata[n] for n in REPORTED if _is_count(metadata.get(n))},
    )


def _stated(name, given, metadata):
    """Return a parameter, or else the entry of the metadata."""
    value = metadata.get(name) if given is None else given
    if value is None:
        raise ValueError(
            f"the dictionary does not state its {name}; pass {name}=, see metadata_ for what is "
            f"known"
        )
    return value


def _hook_points(given, metadata, transcodes):
    """Return a tuple of the hook point, or of those of rows and targets."""
    if not transcodes:
        return (_stated("hook_point", given, metadata),)
    if given is None:
        names = ("hook_point", "target_hook_point")
        given = tuple(metadata.get(name) for name in names)
    if isinstance(given, str) or len(given) != 2 or None in given:
        raise ValueError(
            f"a transcoder has hook points of rows and of targets, but hook_point={given!r}; pass "
            f"a pair such as ('mlp_in.9', 'mlp_out.9')"
        )
    return tuple(given)


def _is_count(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and value >= 0


def _measured(dictionary, rows, targets):
    """Return the measures of one pass over rows and targets, which may be the same."""
    rows, targets = as_rows(rows), as_rows(targets)
    moments = InlierMoments(find_outlier_rule(targets))
    errors, counts = np.zeros(2), 0
    for start, block, codes in encode_blocks(dictionary, rows):
        due = np.asarray(targets[start : start + len(block)])
        inlier = ~moments.update(due)
        residual = due - _output(dictionary, block, codes)
        squares = np.square(residual, dtype=np.float64).sum(axis=1)
        errors += squares.sum(), squares[inlier].sum()
        counts = counts + firing_counts(codes)[0]
    if moments.inliers.squared_deviations == 0:
        raise ValueError(
            f"the {len(rows)} rows of these texts do not vary, so FVU is not defined; pass more "
            f"texts"
        )
    return {
        "n_rows": len(rows),
        "n_components": len(counts),
        "l0": float(counts.sum() / len(rows)),
        "fvu": float(errors[0] / moments.total.squared_deviations),
        "fvu_inliers": float(errors[1] / moments.inliers.squared_deviations),
        "n_dead": int(are_dead(counts).sum()),
    }


def _output(dictionary, block, codes):
    """Return reconstructions, or predictions of a transcoder."""
    if is_transcoder(dictionary):
        return dictionary.predict(block)
    if hasattr(dictionary, "row_norm_"):
        return dictionary.inverse_transform(codes, block)
    return np.asarray(dictionary.inverse_transform(codes))
