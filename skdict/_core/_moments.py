"""Mean and total variance of rows that arrive in blocks."""

import numpy as np


class RunningMoments:
    """Running count, mean and sum of squared deviations, in float64.

    Blocks are merged by the pairwise formula of Chan, Golub and LeVeque (1983), so a large mean
    causes no cancellation and the result does not depend on how the rows are split into blocks.

    Attributes
    ----------
    n_rows : int
        Number of rows seen.
    mean : ndarray of shape (d,), dtype float64
        Mean of the rows.
    squared_deviations : float
        Sum over rows of ``||x - mean||^2``.
    """

    def __init__(self, width):
        self.n_rows = 0
        self.mean = np.zeros(width)
        self.squared_deviations = 0.0

    def update(self, block):
        """Update with the rows of a block of shape (n, d)."""
        block = np.asarray(block, dtype=np.float64)
        n_new = len(block)
        if n_new == 0:
            return self
        # Shift by the first row, so that the mean of equal rows is exactly that row.
        block_mean = block[0] + (block - block[0]).mean(axis=0)
        # Extreme rows overflow to infinity; the caller decides what to do about that.
        with np.errstate(over="ignore"):
            within = np.square(block - block_mean).sum()
        return self._include(n_new, block_mean, within)

    def merge(self, other):
        """Include the rows that another instance has seen."""
        return self._include(other.n_rows, other.mean, other.squared_deviations)

    def _include(self, n_new, mean, within):
        """Include rows given by their number, mean and sum of squared deviations."""
        if n_new == 0:
            return self
        if self.n_rows == 0:
            self.mean = mean
        step, total = mean - self.mean, self.n_rows + n_new
        with np.errstate(over="ignore"):
            between = (step @ step) * self.n_rows * n_new / total
        self.squared_deviations += float(within + between)
        self.mean = self.mean + step * (n_new / total)
        self.n_rows = total
        return self

    @property
    def variance(self):
        """Mean over rows of ``||x - mean||^2``."""
        return self.squared_deviations / self.n_rows

    @property
    def mean_square(self):
        """Mean over rows of ``||x||^2``."""
        return self.variance + float(self.mean @ self.mean)
