r"""Rows whose norm is far beyond that of the others.

A few tokens of a real residual stream have norms a hundred times the median. They would set the
mean and the scale of all rows, and with them the meaning of alpha.
"""

from dataclasses import dataclass

import numpy as np
import torch

from skdict._core._batches import sample_rows
from skdict._core._moments import RunningMoments

# The cutoff in units of the median norm; docs/defaults.rst has the experiment.
MEDIANS = 8.0
# The norm at which an outlier counts in the loss, in units of the cutoff: that of ordinary rows.
COUNTED_NORM = 0.25
SAMPLE_ROWS = 8192
# The median takes longer than a mean; so many rows place it well enough.
MEDIAN_ROWS = 2048


@dataclass(frozen=True)
class OutlierRule:
    """The distance from a centre beyond which a row is an outlier.

    Parameters
    ----------
    center : ndarray of shape (d,), dtype float64
        Where distances are measured from.
    cutoff : float
        The largest distance of a row that is no outlier.
    """

    center: np.ndarray
    cutoff: float

    def is_outlier(self, block):
        """Return a mask of the rows of a block (n, d) that are beyond the cutoff."""
        return distances(block, self.center) > self.cutoff


def find_outlier_rule(rows, *, center=True):
    """Return the rule for rows of shape (n, d), from a sample drawn with a fixed seed.

    The cutoff is eight times the median distance of sampled rows from their coordinate-wise median.
    The mean of the rows within it is the centre of the rule, from which the cutoff is taken again.
    Rows equal to the median row do not count: where most rows are equal, those that differ are no
    outliers.

    Parameters
    ----------
    rows : array-like of shape (n, d)
        Anything that slices by rows. Rows that are not finite are ignored.
    center : bool, default=True
        Measure distances from the mean; if False, from the origin.

    Returns
    -------
    OutlierRule
        With an infinite cutoff where no sampled row differs from the others.
    """
    sample = sample_rows(rows, SAMPLE_ROWS).astype(np.float64)
    sample = sample[np.isfinite(sample).all(axis=1)]
    origin = np.zeros(rows.shape[1])
    middle = _median_row(sample) if center and len(sample) else origin
    norms = distances(sample, middle)
    # Rows at the middle come out at a distance of rounding errors.
    varying = norms > np.finfo(np.float32).eps * norms.mean() if len(norms) else norms > 0
    if not varying.any():
        return OutlierRule(middle, np.inf)
    kept = norms <= MEDIANS * np.median(norms[varying])
    middle = sample[kept].mean(axis=0) if center else origin
    cutoff = MEDIANS * np.median(distances(sample[kept & varying], middle))
    return OutlierRule(middle, float(cutoff))


def _median_row(sample):
    """Return the coordinate-wise median, which no minority of rows can move far."""
    return np.median(sample[:: -(-len(sample) // MEDIAN_ROWS)], axis=0)


def outlier_weights(norms, cutoff):
    """Return the weights in the loss of rows with norms (n,), as a tensor.

    A row within the cutoff has weight 1. One beyond it counts as if it were of a quarter of the
    cutoff, which ordinary rows reach: (cutoff / 4 norm)^2.
    """
    ratio = cutoff / norms
    return torch.where(ratio >= 1, torch.ones_like(ratio), (COUNTED_NORM * ratio).square_())


def distances(block, center):
    """Return the distance of each row of a block (n, d) from a centre, in float64."""
    with np.errstate(over="ignore"):
        return np.linalg.norm(np.asarray(block, dtype=np.float64) - center, axis=1)


class InlierMoments:
    """Moments of all rows, and of those that are no outliers, block by block.

    Parameters
    ----------
    rule : OutlierRule
        Tells which rows are outliers.

    Attributes
    ----------
    total, inliers : RunningMoments
        Moments of all rows, and of the rows within the cutoff.
    outliers : list of int
        Indices of the rows beyond it.
    """

    def __init__(self, rule):
        self.rule = rule
        width = len(rule.center)
        self.total, self.inliers = RunningMoments(width), RunningMoments(width)
        self.outliers = []

    def update(self, block):
        """Add the rows of a block of shape (n, d); return the mask of its outliers."""
        beyond = self.rule.is_outlier(block)
        self.outliers += (self.total.n_rows + np.flatnonzero(beyond)).tolist()
        self.total.update(block)
        self.inliers.update(block[~beyond] if beyond.any() else block)
        return beyond

    @property
    def outlier_share(self):
        """Share of the total variance that is due to outliers, from 0 to 1."""
        total = self.total.squared_deviations
        return 1 - self.inliers.squared_deviations / total if self.outliers and total else 0.0
