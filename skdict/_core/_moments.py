"""Mean and total variance of rows that arrive in blocks."""

import numpy as np


class RunningMoments:
    """Count, mean and sum of squared deviations, kept in float64.

    Blocks are merged by the pairwise formula of Chan, Golub and LeVeque (1983), so a large
    mean cancels nothing and the result does not depend on how the rows were cut.

    Attributes
    ----------
    n_rows : int
        Rows seen.
    mean : ndarray of shape (d,), dtype float64
        Their mean.
    squared_deviations : float
        Sum over rows of ``||x - mean||^2``.
    """

    def __init__(self, width):
        self.n_rows = 0
        self.mean = np.zeros(width)
        self.squared_deviations = 0.0

    def update(self, block):
        """Add the rows of a block of shape (n, d)."""
        block = np.asarray(block, dtype=np.float64)
        n_new = len(block)
        if n_new == 0:
            return self
        # Shifted by the first row: the mean of equal rows is then exactly that row.
        block_mean = block[0] + (block - block[0]).mean(axis=0)
        if self.n_rows == 0:
            self.mean = block_mean
        step, total = block_mean - self.mean, self.n_rows + n_new
        # Extreme rows overflow to infinity, which is for the caller to judge.
        with np.errstate(over="ignore"):
            within = np.square(block - block_mean).sum()
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
