"""Logistic probes for concepts, and the checks of labels that they need."""

import numpy as np
from sklearn.linear_model import LogisticRegression

from skdict._validation import as_rows

MAX_ITER = 1000


def check_labelled_rows(X, labels, groups):
    """Return rows, concepts as columns of bool, the name of each concept, and groups.

    Parameters
    ----------
    X : array-like of shape (n, n_features)
        Rows.
    labels : array-like of shape (n,) or (n, n_concepts)
        Class of each row, or a column of bool for each concept.
    groups : array-like of shape (n,) or None
        Group of each row; None makes every row its own group.

    Returns
    -------
    (array-like, ndarray of bool of shape (n, n_concepts), list, ndarray of shape (n,))
    """
    X, labels = as_rows(X), np.asarray(labels)
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    for name, values in (("labels", labels), ("groups", groups)):
        if len(values) != len(X):
            raise ValueError(
                f"{name} has length {len(values)} but X has {len(X)} rows; pass one for each row"
            )
    if labels.ndim == 1:
        names = np.unique(labels)
        return X, labels[:, None] == names, names.tolist(), groups
    if labels.ndim != 2 or labels.dtype != bool:
        raise ValueError(
            f"labels has shape {labels.shape} and dtype {labels.dtype}; pass one class for each "
            f"row, or a bool for each row and concept"
        )
    return X, labels, list(range(labels.shape[1])), groups


class Probe:
    """Balanced logistic regression on rows.

    Rows are centred and scaled as a whole and not column by column, so a rotation of the rows
    rotates the weights.

    Parameters
    ----------
    X : ndarray of shape (n, n_features)
        Training rows.
    y : ndarray of bool, shape (n,)
        Labels, with both values present.
    sample_weight : ndarray of shape (n,) or None, default=None
        Weight of each row. None gives both classes equal total weight.

    Attributes
    ----------
    weights : ndarray of shape (n_features,)
        Weights for rows in their own units.
    intercept : float
        Intercept.
    """

    def __init__(self, X, y, sample_weight=None):
        mean, scale = mean_and_scale(X)
        balance = "balanced" if sample_weight is None else None
        model = LogisticRegression(class_weight=balance, max_iter=MAX_ITER)
        model.fit((X - mean) / scale, y, sample_weight=sample_weight)
        self.weights = model.coef_[0] / scale
        self.intercept = float(model.intercept_[0] - mean @ self.weights)

    def scores(self, X):
        """Return the log-odds of each row."""
        return X @ self.weights + self.intercept


def mean_and_scale(X):
    """Return the mean row, and the root mean square of all entries of the centred rows."""
    mean = X.mean(axis=0, dtype=np.float64)
    scale = np.sqrt(np.square(X - mean, dtype=np.float64).mean())
    if scale == 0:
        raise ValueError(f"the {len(X)} rows of X do not vary; pass rows that vary")
    return mean, scale
