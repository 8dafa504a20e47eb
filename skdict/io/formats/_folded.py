"""Fold a dictionary into the form in which other libraries store them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skdict._core import Weights
from skdict.decomposition import (
    PretrainedDictionary,
    PretrainedTranscoder,
    SparseDictionaryAutoencoder,
    SparseTranscoder,
)
from skdict.io.formats._scaling import product, scaled

AUTOENCODERS = (SparseDictionaryAutoencoder, PretrainedDictionary)
TRANSCODERS = (SparseTranscoder, PretrainedTranscoder)
# What some formats cannot hold, by the field that states it.
PARTS = {
    "thresholds": "thresholds, or gains and offsets that become thresholds",
    "k": "codes selected by rank (k_)",
    "signed": "codes selected by absolute value (signed_)",
    "row_norm": "rows that are each normalised (row_norm_)",
}


@dataclass(frozen=True)
class Folded:
    r"""Weights without gains and offsets.

    .. math::
        p = (x - \mu)\, E^T + b, \qquad c = p \text{ where } p > \theta, \text{ else } 0, \qquad
        y = c D + \nu + x A

    With `k`, the condition is instead that p is among the k largest positive pre-activations of
    the row. Thresholds are not negative. Values are computed in float64 and rounded once.

    Parameters
    ----------
    encoder : ndarray of shape (m, d)
        Encoder directions E.
    encoder_bias : ndarray of shape (m,)
        Encoder biases b.
    mean : ndarray of shape (d,)
        Row subtracted before encoding; the decoder bias of a dictionary that is not a transcoder.
    decoder : ndarray of shape (m, d_out)
        Decoder directions D, of unit length except where they contain the gains of top-k codes.
    decoder_bias : ndarray of shape (d_out,)
        Row added after decoding.
    thresholds : ndarray of shape (m,) or None
        Thresholds; None for those of a ReLU, which are zero.
    k : int or None
        Maximum number of codes per row.
    signed : bool
        If True, `k` selects the pre-activations of largest absolute value.
    skip : ndarray of shape (d, d_out) or None
        Skip connection A of a transcoder.
    row_norm : str or None
        Normalisation of each row, see `PretrainedDictionary`.
    """

    encoder: np.ndarray
    encoder_bias: np.ndarray
    mean: np.ndarray
    decoder: np.ndarray
    decoder_bias: np.ndarray
    thresholds: np.ndarray | None
    k: int | None
    signed: bool
    skip: np.ndarray | None
    row_norm: str | None

    @cached_property
    def raw_bias(self):
        """Encoder biases for rows from which the mean is not subtracted."""
        if not self.mean.any():
            return self.encoder_bias
        moved = self.encoder_bias - product(self.encoder, self.mean.astype(np.float64))
        return moved.astype(self.encoder_bias.dtype)


def folded(dictionary, library, accepted, *, lacks=()):
    """Return the weights of a dictionary in the form of other libraries.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary or transcoder.
    library : str
        Name of the library, for messages.
    accepted : tuple of type
        Classes that the format of the library can hold.
    lacks : collection of str, default=()
        Keys of `PARTS` for what the format cannot hold.

    Returns
    -------
    Folded

    Raises
    ------
    TypeError
        If the estimator is of another class.
    ValueError
        If codes have no such form (a gain is not positive, codes can be negative, or a selection by
        rank comes with offsets), or if the format lacks a part of the dictionary.
    """
    _check_kind(dictionary, library, accepted)
    weights = Weights.of(dictionary)
    if weights.code_gains is not None and (weights.code_gains <= 0).any():
        raise no_counterpart("code gains that are not positive", library)
    gate = _ranked if weights.k is not None else _gated
    form = {
        "encoder": weights.encoder,
        "encoder_bias": weights.encoder_bias,
        "decoder": weights.components,
        "thresholds": None,
    } | gate(weights, library)
    whole = Folded(
        **form,
        mean=weights.mean,
        decoder_bias=_without_skipped_mean(weights),
        k=None if weights.k is None else int(weights.k),
        signed=bool(weights.signed),
        skip=weights.skip,
        row_norm=getattr(dictionary, "row_norm_", None),
    )
    for name in lacks:
        part = getattr(whole, name)
        if part is not None and part is not False:
            raise no_counterpart(PARTS[name], library)
    return whole


def _check_kind(dictionary, library, accepted):
    """Raise an error for estimators of other classes, and for several blocks of columns."""
    if type(dictionary) not in accepted:
        names = ", ".join(kind.__name__ for kind in accepted)
        raise TypeError(
            f"{type(dictionary).__name__} cannot be written in the format of {library}; pass one "
            f"of {names}, or save it with format='skdict'"
        )
    if len(getattr(dictionary, "blocks_", ())) > 1:
        raise no_counterpart("several blocks of columns (blocks_)", library)


def no_counterpart(what, library):
    """Return the error for a dictionary that the format of a library cannot hold."""
    return ValueError(
        f"a dictionary with {what} has no counterpart in {library}; save it with format='skdict'"
    )


def _ranked(weights, library):
    """Return the decoder of codes selected by rank, with their gains.

    Other libraries rank the outputs of the encoder and do not scale them afterwards.
    """
    if weights.code_offsets is not None and weights.code_offsets.any():
        raise no_counterpart("both a selection by rank (k_) and code offsets", library)
    if weights.code_gains is None:
        return {}
    return {"decoder": scaled(weights.components, weights.code_gains.astype(np.float64))}


def _gated(weights, library):
    """Return the encoder and thresholds of a JumpReLU with the same codes.

    For g > 0, p > theta is equivalent to g p + o > g theta + o. If that threshold is not negative,
    the ReLU before it clips nothing.
    """
    given = weights.thresholds, weights.code_gains, weights.code_offsets
    if all(array is None for array in given):
        return {}
    m, dtype = len(weights.components), weights.components.dtype
    thresholds, gains, offsets = (
        np.full(m, default) if array is None else array.astype(np.float64)
        for array, default in zip(given, (0.0, 1.0, 0.0), strict=True)
    )
    thresholds = gains * thresholds + offsets
    if (thresholds < 0).any():
        raise no_counterpart("codes that can be negative", library)
    return {
        "encoder": scaled(weights.encoder, gains),
        "encoder_bias": (weights.encoder_bias * gains + offsets).astype(dtype),
        "thresholds": thresholds.astype(dtype) if thresholds.any() else None,
    }


def _without_skipped_mean(weights):
    """Return the offset for a skip connection that reads rows without subtracting their mean."""
    if weights.skip is None or not weights.mean.any():
        return weights.offset
    passed = product(weights.skip.T, weights.mean.astype(np.float64))
    return (weights.offset - passed).astype(weights.offset.dtype)
