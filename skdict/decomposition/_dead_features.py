"""Saying that many features are dead, why, and what to do."""

import warnings

import numpy as np

from skdict.exceptions import DeadFeaturesWarning

MANY_DEAD = 1 / 3


def warn_of_dead_features(firing_counts, l0, alpha, bias_init):
    """Warn if more than a third of the features fired on no row of the last epoch.

    Parameters
    ----------
    firing_counts : ndarray of shape (m,)
        Rows on which each feature fired.
    l0 : float
        Codes that fired on a row, at the end.
    alpha : float
        Weight of the penalty.
    bias_init : str
        Where biases started.
    """
    dead, total = np.count_nonzero(firing_counts == 0), len(firing_counts)
    if dead <= MANY_DEAD * total:
        return
    if bias_init == "zeros":
        cause, cure = "biases that start at zero", "pass bias_init='calibrated'"
    elif l0 < 1:
        cause, cure = f"too large a penalty (alpha={alpha})", "lower alpha"
    else:
        cause, cure = "more components than these rows can use", "lower n_components or alpha"
    warnings.warn(
        f"{dead} of {total} features fired on no row of the last epoch; the likely cause is "
        f"{cause}: {cure}",
        DeadFeaturesWarning,
        stacklevel=5,
    )
