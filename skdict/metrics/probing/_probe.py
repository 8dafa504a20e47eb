"""Logistic regression that reads a label from rows or codes."""

import numpy as np
from sklearn.linear_model import LogisticRegression

MAX_ITER = 1000


class Probe:
    """Balanced logistic regression in the units of its inputs.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_columns)
        Training inputs.
    y : ndarray of bool, shape (n_samples,)
        Labels, with both values present.
    per_column : bool, default=False
        If True, each column is scaled to unit variance before the fit, so that the units of
        codes do not matter. If False, all columns are divided by one number, so that a rotation
        of the rows rotates the weights.
    C : float, default=1.0
        Inverse strength of the L2 penalty on the weights of the scaled columns.
    sample_weight : ndarray of shape (n_samples,) or None, default=None
        Weight of each sample. None gives both classes equal total weight.

    Attributes
    ----------
    weights : ndarray of shape (n_columns,)
        Weights for inputs in their own units.
    intercept : float
        Intercept.
    """

    def __init__(self, X, y, *, per_column=False, C=1.0, sample_weight=None):
        mean, scale = mean_and_scale(X, per_column=per_column)
        balance = "balanced" if sample_weight is None else None
        model = LogisticRegression(C=C, class_weight=balance, max_iter=MAX_ITER)
        model.fit((X - mean) / scale, y, sample_weight=sample_weight)
        self.weights = model.coef_[0] / scale
        self.intercept = float(model.intercept_[0] - mean @ self.weights)

    def scores(self, X):
        """Return the log-odds of each sample, in float64."""
        return X @ self.weights + self.intercept


def mean_and_scale(X, *, per_column=False):
    """Return the mean row, and the root mean square of the centred entries.

    The root mean square is that of all entries, or with `per_column` an array of those of the
    columns. It is 1 where entries do not vary.
    """
    mean = X.mean(axis=0, dtype=np.float64)
    square = np.square(X - mean, dtype=np.float64).mean(axis=0 if per_column else None)
    # Rounding must not turn a constant column into one of tiny variance.
    varies = square > 1e-12 * np.square(mean if per_column else np.abs(mean).max(initial=0))
    return mean, np.sqrt(np.where(varies, square, 1))
