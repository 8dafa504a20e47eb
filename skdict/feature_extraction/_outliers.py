"""Warn about dimensions, positions and tokens that would dominate all others."""

import warnings
from collections import Counter

import numpy as np

from skdict._core import MEDIANS, RunningMoments, distances, find_outlier_rule, iter_blocks
from skdict.exceptions import OutlierWarning

LARGEST_SHARE = 0.5
LARGEST_RATIO = 5
SHOWN_TOKENS = 5


def warn_of_outliers(activations, hook_point):
    """Warn about outliers that would set the scale of all rows, and say what to do.

    The variance of the dimensions is measured without outlier tokens.

    Parameters
    ----------
    activations : Activations
        Rows read at one hook point.
    hook_point : str
        Name of the hook point.
    """
    width = activations.shape[1]
    squares, (norms, apart) = np.zeros(width), np.empty((2, len(activations)))
    moments, rule = RunningMoments(width), find_outlier_rule(activations)
    for start, block in iter_blocks(activations):
        block = block.astype(np.float64)
        end = start + len(block)
        norms[start:end] = np.linalg.norm(block, axis=1)
        apart[start:end] = distances(block, rule.center)
        inliers = block[apart[start:end] <= rule.cutoff]
        moments.update(inliers)
        squares += np.square(inliers).sum(axis=0)
    _warn_of_dimension(squares, moments, hook_point)
    positions = _warn_of_positions(activations, norms, hook_point)
    is_outlier = (apart > rule.cutoff) & ~np.isin(activations.positions, positions)
    _warn_of_tokens(activations, apart, np.flatnonzero(is_outlier), hook_point)


def _warn_of_dimension(squares, moments, hook_point):
    deviations = squares - moments.n_rows * np.square(moments.mean)
    shares = deviations / max(deviations.sum(), np.finfo(float).tiny)
    top = int(shares.argmax())
    if len(squares) > 2 and shares[top] > LARGEST_SHARE:
        others = np.delete(deviations, top).mean()
        factor = np.sqrt(deviations[top] / max(others, np.finfo(float).tiny))
        _warn(
            f"dimension {top} holds {shares[top]:.0%} of the variance of {hook_point!r}, so a "
            f"dictionary would explain little else; divide that column by {factor:.3g} first (a "
            f"StandardScaler on all columns reconstructs worse in the original units)"
        )


def _warn_of_positions(activations, norms, hook_point):
    """Warn about outlier positions, and return them."""
    positions, group = np.unique(activations.positions, return_inverse=True)
    means = np.bincount(group, weights=norms) / np.bincount(group)
    ratio = means / max(np.median(norms), np.finfo(float).tiny)
    outliers = positions[ratio > LARGEST_RATIO]
    if not len(outliers) or len(positions) <= 2:
        return []
    _warn(
        f"positions {', '.join(map(str, outliers[:5]))} of {hook_point!r} have a mean norm of "
        f"up to {ratio.max():.0f} times the median and would dominate the mean and the scale of "
        f"the rows; leave them out (skip_first={int(outliers.max()) + 1} if they come first)"
    )
    return outliers


def _warn_of_tokens(activations, apart, rows, hook_point):
    """Warn about outlier tokens, which can occur at any position."""
    if not len(rows):
        return
    share = np.square(apart[rows]).sum() / np.square(apart).sum()
    counts = Counter(map(activations.token, rows.tolist())).most_common(SHOWN_TOKENS)
    shown = ", ".join(f"{token!r} ({count})" for token, count in counts)
    rest = ", ..." if sum(count for _, count in counts) < len(rows) else ""
    _warn(
        f"{len(rows)} of {len(activations)} tokens of {hook_point!r} have more than {MEDIANS:g} "
        f"times the median norm and hold {share:.0%} of the variance: {shown}{rest}. "
        f"SparseDictionaryAutoencoder gives them little weight; leave them out for other methods"
    )


def _warn(message):
    warnings.warn(message, OutlierWarning, stacklevel=7)
