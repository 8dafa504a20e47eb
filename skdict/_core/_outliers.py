r"""Detect and down-weight outlier rows, whose norm is far larger than that of the others.

In a real residual stream a few tokens have norms a hundred times the median. They would dominate
the mean and the scale of the rows, and so change the meaning of alpha.
"""

from dataclasses import dataclass

import numpy as np
import torch

from skdict._core._batches import sample_rows
from skdict._core._moments import RunningMoments

# Cutoff in multiples of the median norm; docs/defaults.rst describes the experiment.
MEDIANS = 8.0
# Norm that an outlier has in the loss, as a fraction of the cutoff: that of ordinary rows.
COUNTED_NORM = 0.25
SAMPLE_ROWS = 8192
# A median is slower to compute than a mean, and this many rows are enough for it.
MEDIAN_ROWS = 2048


@dataclass(frozen=True)
class OutlierRule:
    """Classify rows as outliers by their distance from a centre.

    Parameters
    ----------
    center : ndarray of shape (d,), dtype float64
        Point that distances are measured from.
    cutoff : float
        Largest distance of an inlier.
    """

    center: np.ndarray
    cutoff: float

    def is_outlier(self, block):
        """Return a mask of the rows of a block (n, d) that lie beyond the cutoff."""
        return distances(block, self.center) > self.cutoff


def find_outlier_rule(rows, *, center=True):
    """Find the outlier rule of rows (n, d) from a sample drawn with a fixed seed.

    A first cutoff is eight times the median distance of the sampled rows from their coordinate-wise
    median. The centre of the rule is the mean of the rows within that cutoff, and the final cutoff
    is computed in the same way from that centre. Rows equal to the median row are ignored, so that
    rows differing from a majority of equal rows do not become outliers.

    Parameters
    ----------
    rows : array-like of shape (n, d)
        Rows that can be sliced. Rows that are not finite are ignored.
    center : bool, default=True
        If True, measure distances from the mean; if False, from the origin.

    Returns
    -------
    OutlierRule
        Rule for these rows, with an infinite cutoff if all sampled rows are equal.
    """
    sample = sample_rows(rows, SAMPLE_ROWS).astype(np.float64)
    sample = sample[np.isfinite(sample).all(axis=1)]
    origin = np.zeros(rows.shape[1])
    middle = _median_row(sample) if center and len(sample) else origin
    norms = distances(sample, middle)
    # Rows equal to the median row have a distance of rounding error, not exactly zero.
    varying = norms > np.finfo(np.float32).eps * norms.mean() if len(norms) else norms > 0
    if not varying.any():
        return OutlierRule(middle, np.inf)
    kept = norms <= MEDIANS * np.median(norms[varying])
    middle = sample[kept].mean(axis=0) if center else origin
    cutoff = MEDIANS * np.median(distances(sample[kept & varying], middle))
    return OutlierRule(middle, float(cutoff))


def _median_row(sample):
    """Return the coordinate-wise median, which a minority of rows cannot move far."""
    return np.median(sample[:: -(-len(sample) // MEDIAN_ROWS)], axis=0)


def outlier_weights(norms, cutoff):
    """Return the loss weights of rows with norms (n,), as a tensor.

    Rows within the cutoff have weight 1. An outlier has weight (cutoff / 4 norm)^2: it counts as
    if its norm were a quarter of the cutoff, as for ordinary rows.
    """
    ratio = cutoff / norms
    return torch.where(ratio >= 1, torch.ones_like(ratio), (COUNTED_NORM * ratio).square_())


def distances(block, center):
    """Return the distance of each row of a block (n, d) from a centre, in float64."""
    with np.errstate(over="ignore"):
        return np.linalg.norm(np.asarray(block, dtype=np.float64) - center, axis=1)


class InlierMoments:
    """Running moments of all rows and of the inliers.

    Parameters
    ----------
    rule : OutlierRule
        Rule that identifies outliers.

    Attributes
    ----------
    total, inliers : RunningMoments
        Moments of all rows, and of the rows within the cutoff.
    outliers : list of int
        Indices of the rows beyond the cutoff.
    """

    def __init__(self, rule):
        self.rule = rule
        width = len(rule.center)
        self.total, self.inliers = RunningMoments(width), RunningMoments(width)
        self.outliers = []

    def update(self, block, beyond=None, start=None):
        """Update with the rows of a block (n, d) and return the mask of its outliers.

        The mask `beyond` (n,) replaces that of the rule, if it is given, and `start` is the index
        of the first row; by default, blocks follow each other.
        """
        beyond = self.rule.is_outlier(block) if beyond is None else beyond
        start = self.total.n_rows if start is None else start
        self.outliers += (start + np.flatnonzero(beyond)).tolist()
        self.total.update(block)
        self.inliers.update(block[~beyond] if beyond.any() else block)
        return beyond

    def merge(self, other):
        """Include the rows that another instance with the same rule has seen."""
        self.total.merge(other.total)
        self.inliers.merge(other.inliers)
        self.outliers = sorted(self.outliers + other.outliers)
        return self

    @property
    def outlier_share(self):
        """Fraction of the total variance due to outliers, between 0 and 1."""
        total = self.total.squared_deviations
        return 1 - self.inliers.squared_deviations / total if self.outliers and total else 0.0
