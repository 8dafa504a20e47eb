"""Dimensions and positions that would swamp all others."""

import warnings

import numpy as np

from skdict._core import RunningMoments, iter_blocks
from skdict.exceptions import OutlierWarning

LARGEST_SHARE = 0.5
LARGEST_RATIO = 5


def warn_of_outliers(activations, hook_point):
    """Warn of what would set the scale of all rows alone, and say what to do.

    Parameters
    ----------
    activations : Activations
        Rows of one place.
    hook_point : str
        Its name.
    """
    width = activations.shape[1]
    squares, norms = np.zeros(width), np.empty(len(activations))
    moments = RunningMoments(width)
    for start, block in iter_blocks(activations):
        block = block.astype(np.float64)
        moments.update(block)
        squares += np.square(block).sum(axis=0)
        norms[start : start + len(block)] = np.linalg.norm(block, axis=1)
    deviations = squares - moments.n_rows * np.square(moments.mean)
    shares = deviations / max(deviations.sum(), np.finfo(float).tiny)
    top = int(shares.argmax())
    if width > 2 and shares[top] > LARGEST_SHARE:
        _warn(
            f"dimension {top} holds {shares[top]:.0%} of the variance of {hook_point!r}; put a "
            f"StandardScaler before the dictionary, or it will explain little else"
        )
    positions, group = np.unique(activations.positions, return_inverse=True)
    means = np.bincount(group, weights=norms) / np.bincount(group)
    ratio = means / max(np.median(norms), np.finfo(float).tiny)
    outliers = positions[ratio > LARGEST_RATIO]
    if len(outliers) and len(positions) > 2:
        _warn(
            f"positions {', '.join(map(str, outliers[:5]))} of {hook_point!r} have a mean norm of "
            f"up to {ratio.max():.0f} times the median; leave them out (skip_first="
            f"{int(outliers.max()) + 1} where they come first), or they will set mean and scale"
        )


def _warn(message):
    warnings.warn(message, OutlierWarning, stacklevel=6)
