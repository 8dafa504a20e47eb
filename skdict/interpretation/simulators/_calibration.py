"""Calibration: maps from the predictions of a simulator to the scale of the codes."""

import numpy as np

CALIBRATIONS = ("linear", "quantile")


def calibration_map(method, predictions, codes):
    r"""Return a map from the predictions for a feature to the scale of its codes.

    Parameters
    ----------
    method : {"linear", "quantile"}
        "linear" fits a least-squares line, :math:`\hat c = a + b s`, and preserves the absolute
        correlation; "quantile" maps quantiles of the predictions to quantiles of the codes, and
        preserves ranks.
    predictions, codes : ndarray of shape (n_tokens,)
        Predictions and codes in windows used neither to explain nor to score.

    Returns
    -------
    callable
        Function from predictions to calibrated predictions.
    """
    make = linear_map if method == "linear" else quantile_map
    return make(predictions, codes)


def linear_map(predictions, codes):
    """Fit a least-squares line from predictions to codes."""
    predictions, codes = (np.asarray(v, dtype=np.float64) for v in (predictions, codes))
    centred = predictions - predictions.mean()
    variance = centred @ centred
    slope = centred @ codes / variance if variance > 0 else 0.0
    offset = codes.mean() - slope * predictions.mean()
    return _Map("linear", np.array([offset, slope]))


def quantile_map(predictions, codes):
    """Fit an increasing map from quantiles of the predictions to quantiles of the codes."""
    order = np.sort(np.asarray(predictions, dtype=np.float64))
    levels, at, n = np.unique(order, return_inverse=True, return_counts=True)
    means = np.bincount(at, weights=np.sort(np.asarray(codes, dtype=np.float64))) / n
    return _Map("quantile", np.array([levels, means]))


class _Map:
    """Fitted map, stored as plain arrays so that it can be pickled."""

    def __init__(self, method, values):
        self.method, self.values = method, values

    def __call__(self, predictions):
        if self.method == "linear":
            return self.values[0] + self.values[1] * np.asarray(predictions)
        return np.interp(predictions, self.values[0], self.values[1])
