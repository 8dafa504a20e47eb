"""Compute the mean, variance, skewness and kurtosis of every feature's codes in one pass."""

import numpy as np


class CodeMoments:
    """Mergeable central moments of the columns of codes, zeros included.

    Sums of powers are kept about the running mean rather than about zero, so a large and nearly
    constant column does not lose precision.

    Parameters
    ----------
    n_features : int
        Number of columns.

    References
    ----------
    Pébay (2008), "Formulas for Robust, One-Pass Parallel Computation of Covariances and
    Arbitrary-Order Statistical Moments".
    """

    def __init__(self, n_features):
        self.n = 0
        self.mean = np.zeros(n_features)
        # Row i is the sum of (code - mean) ** (i + 2).
        self.sums = np.zeros((3, n_features))

    def update(self, columns, values, n_rows):
        """Update the moments with the non-zero codes of some rows.

        Parameters
        ----------
        columns : ndarray of int, shape (n_entries,)
            Feature of each code.
        values : ndarray of float64, shape (n_entries,)
            Codes.
        n_rows : int
            Number of rows, including those without any non-zero code.
        """
        if n_rows == 0:
            return
        block = CodeMoments(len(self.mean))
        m = len(block.mean)
        block.n = n_rows
        block.mean = np.bincount(columns, values, minlength=m) / n_rows
        zeros = n_rows - np.bincount(columns, minlength=m)
        off = values - block.mean[columns]
        for i, power in enumerate((2, 3, 4)):
            block.sums[i] = np.bincount(columns, off**power, minlength=m)
            block.sums[i] += zeros * (-block.mean) ** power
        self.merge(block)

    def merge(self, other):
        """Merge the moments of other rows."""
        n, k = self.n, other.n
        if k == 0:
            return
        total = n + k
        delta = other.mean - self.mean
        (a2, a3, a4), (b2, b3, b4) = self.sums, other.sums
        fourth = a4 + b4 + delta**4 * (n * k * (n * n - n * k + k * k) / total**3)
        fourth += 6 * delta**2 * (n * n * b2 + k * k * a2) / total**2
        fourth += 4 * delta * (n * b3 - k * a3) / total
        third = a3 + b3 + delta**3 * (n * k * (n - k) / total**2)
        third += 3 * delta * (n * b2 - k * a2) / total
        second = a2 + b2 + delta**2 * (n * k / total)
        self.sums = np.array([second, third, fourth])
        self.mean = self.mean + delta * (k / total)
        self.n = total

    @property
    def variance(self):
        """Mean squared deviation, shape (n_features,)."""
        return self.sums[0] / max(self.n, 1)

    @property
    def skewness(self):
        """Third standardised moment; nan for a constant column."""
        return self._standardised(1, 3)

    @property
    def kurtosis(self):
        """Fourth standardised moment minus 3; nan for a constant column."""
        return self._standardised(2, 4) - 3

    def _standardised(self, row, power):
        scale = self.variance ** (power / 2)
        found = np.full(len(scale), np.nan)
        return np.divide(self.sums[row] / max(self.n, 1), scale, out=found, where=scale > 0)
