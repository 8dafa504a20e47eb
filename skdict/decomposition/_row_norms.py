"""Normalise each row by itself, as some published dictionaries do before encoding."""

import numpy as np

from skdict._validation import compute_dtype

LAYER_NORM_EPS = 1e-5


class NormalisedRows:
    """Rows that are normalised when they are read in slices.

    Parameters
    ----------
    rows : array-like of shape (n, d)
        Rows, checked by `check_rows`.
    kind : {"layer_norm", "constant_norm"}
        Normalisation, see `PretrainedDictionary`.
    """

    def __init__(self, rows, kind):
        self._rows, self._kind = rows, kind
        self.shape, self.dtype = rows.shape, compute_dtype(rows)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, part):
        rows = np.asarray(self._rows[part]).astype(np.float64)
        shift, scale = _shift_and_scale(rows, self._kind)
        with np.errstate(invalid="ignore"):
            return ((rows - shift) / scale).astype(self.dtype)


def denormalise(decoded, rows, kind):
    """Return decoded rows in the units of the rows that were encoded."""
    shift, scale = _shift_and_scale(rows.astype(np.float64), kind)
    # The constant that keeps the division finite is not undone, as in the published libraries.
    scale = scale - LAYER_NORM_EPS if kind == "layer_norm" else scale
    return decoded * scale + shift


def _shift_and_scale(rows, kind):
    """Return what is subtracted from each row and what it is then divided by, in float64."""
    # Rows that are not finite are reported by the check that follows.
    with np.errstate(invalid="ignore", over="ignore"):
        if kind == "layer_norm":
            mean = rows.mean(axis=1, keepdims=True)
            return mean, rows.std(axis=1, keepdims=True, ddof=1) + LAYER_NORM_EPS
        norms = np.linalg.norm(rows, axis=1, keepdims=True) / np.sqrt(rows.shape[1])
    # A row of zeros has no norm to scale; it stays zero.
    return 0.0, np.where(norms == 0, 1.0, norms)
