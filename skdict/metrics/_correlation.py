"""Pearson correlation of two arrays, and of many sparse columns from running sums."""

import numpy as np

# Below this share of the mean square, variance is rounding error of float64 sums.
NO_VARIANCE = 1e-11


def pearson(a, b, weights=None):
    """Return the Pearson correlation of two sequences, computed in float64.

    Parameters
    ----------
    a, b : array-like of shape (n,)
        Paired values.
    weights : array-like of shape (n,) or None, default=None
        Non-negative weight of each pair. None weights all pairs equally.

    Returns
    -------
    float
        Correlation between -1 and 1; nan if the variance of either sequence is at most 1e-11 of
        its mean square.
    """
    sides = [np.asarray(side, dtype=np.float64) for side in (a, b)]
    if weights is None:
        centred = [side - side.mean() for side in sides]
        product = np.matmul
    else:
        shares = np.asarray(weights, dtype=np.float64)
        shares = shares / shares.sum()
        centred = [side - shares @ side for side in sides]

        def product(left, right):
            return shares @ (left * right)

    variances = [product(side, side) for side in centred]
    squares = [product(side, side) for side in sides]
    if any(v <= NO_VARIANCE * s for v, s in zip(variances, squares, strict=True)):
        return np.nan
    return float(product(*centred) / np.sqrt(variances[0] * variances[1]))


class CorrelationSums:
    """Running sums for the correlation of each feature's predictions and codes.

    Tokens are pooled: each feature has one correlation over all tokens, not a mean over windows.

    Parameters
    ----------
    n_features : int
        Number of features, one per column.
    """

    def __init__(self, n_features):
        self.n = np.zeros(n_features)
        self._sums = {name: np.zeros(n_features) for name in ("c", "cc", "s", "ss", "sc")}

    def update(self, predictions, codes, where=None):
        """Update the sums with tokens.

        Parameters
        ----------
        predictions, codes : csr_array of shape (n_tokens, n_features)
            Predicted and actual codes.
        where : csr_array of bool of shape (n_tokens, n_features) or None
            Tokens that count for each feature. None counts all tokens.
        """
        if where is None:
            self.n += codes.shape[0]
        else:
            self.n += _column_sums(where)
            predictions, codes = predictions.multiply(where), codes.multiply(where)
        self._sums["c"] += _column_sums(codes)
        self._sums["cc"] += _column_sums(codes, squared=True)
        self._sums["s"] += _column_sums(predictions)
        self._sums["ss"] += _column_sums(predictions, squared=True)
        self._sums["sc"] += _column_sums(predictions.multiply(codes))

    def varies(self):
        """Return a flag for each feature, True if its codes vary."""
        return self._variance("c", "cc") > 0

    def correlation(self):
        """Return the Pearson correlation of each feature; nan if either side is constant."""
        with np.errstate(divide="ignore", invalid="ignore"):
            variances = self._variance("c", "cc") * self._variance("s", "ss")
            covariance = self._sums["sc"] - self._sums["s"] * self._sums["c"] / self.n
            return np.where(variances > 0, covariance / np.sqrt(variances), np.nan)

    def _variance(self, first, second):
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = self._sums[second] - self._sums[first] ** 2 / self.n
        return np.where(variance > NO_VARIANCE * self._sums[second], variance, 0.0)


def _column_sums(matrix, squared=False):
    data = matrix.data.astype(np.float64)
    weights = data * data if squared else data
    return np.bincount(matrix.indices, weights=weights, minlength=matrix.shape[1])
