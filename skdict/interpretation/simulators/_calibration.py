"""Maps from what a simulator predicts to the scale of the codes, one for each feature."""

import numpy as np

CALIBRATIONS = ("linear", "quantile")


def calibration_map(method, predictions, codes):
    r"""Return the map from a feature's predictions to its codes.

    Parameters
    ----------
    method : {"linear", "quantile"}
        "linear" is least squares, :math:`\hat c = a + b s`, and leaves the absolute correlation as
        it is; "quantile" takes quantiles of predictions to quantiles of codes, and leaves ranks as
        they are.
    predictions, codes : ndarray of shape (n_tokens,)
        On windows that are neither explained nor scored.

    Returns
    -------
    callable
        From predictions to codes.
    """
    make = linear_map if method == "linear" else quantile_map
    return make(predictions, codes)


def linear_map(predictions, codes):
    """Return the least-squares line from predictions to codes."""
    predictions, codes = (np.asarray(v, dtype=np.float64) for v in (predictions, codes))
    centred = predictions - predictions.mean()
    variance = centred @ centred
    slope = centred @ codes / variance if variance > 0 else 0.0
    offset = codes.mean() - slope * predictions.mean()
    return _Map("linear", np.array([offset, slope]))


def quantile_map(predictions, codes):
    """Return the increasing map that takes predictions' quantiles to those of the codes."""
    order = np.sort(np.asarray(predictions, dtype=np.float64))
    levels, at, n = np.unique(order, return_inverse=True, return_counts=True)
    means = np.bincount(at, weights=np.sort(np.asarray(codes, dtype=np.float64))) / n
    return _Map("quantile", np.array([levels, means]))


class _Map:
    """A fitted map, as plain arrays that can be pickled."""

    def __init__(self, method, values):
        self.method, self.values = method, values

    def __call__(self, predictions):
        if self.method == "linear":
            return self.values[0] + self.values[1] * np.asarray(predictions)
        return np.interp(predictions, self.values[0], self.values[1])
