"""Dictionaries with known answers on planted features that are orthonormal."""

import numpy as np
import scipy.linalg
from sklearn.base import BaseEstimator

from skdict.datasets import make_sparse_features


class HandBuilt(BaseEstimator):
    """A dictionary of given directions and a given function from rows to codes."""

    def __init__(self, components, encode, offset=0.0):
        self.components, self.encode, self.offset = components, encode, offset
        self.components_ = components

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return self.encode(np.asarray(X, dtype=np.float64))

    def inverse_transform(self, codes):
        return codes @ self.components + self.offset


def orthonormal_features(n_samples=4000, **options):
    """Return planted data whose directions are orthonormal, so that codes follow from rows."""
    data = make_sparse_features(n_samples, random_state=0, **options)
    k = len(data.components)
    noise = np.random.default_rng(1).standard_normal((k + 2, k))
    data.components = scipy.linalg.orth(noise).T
    data.X = data.codes.astype(np.float64) @ data.components
    return data


def true_codes(data, X):
    """Return the planted codes of rows, without the dust of rounding."""
    codes = X @ data.components.T
    return np.where(codes > 1e-9, codes, 0)


def truth(data):
    """Return the dictionary of the planted features."""
    return HandBuilt(data.components, lambda X: true_codes(data, X))


def absorbing(data, threshold=0.0):
    """Return a dictionary whose children replace their parent, and the rows where they do.

    A child whose code exceeds the threshold fires along the sum of both directions, and its
    parent is silent. Below the threshold, both fire as planted.
    """
    children = np.flatnonzero(data.parents >= 0)
    parents = data.parents[children]
    sums = (data.components[children] + data.components[parents]) / np.sqrt(2)

    def encode(X):
        codes = true_codes(data, X)
        taken = codes[:, children] > threshold
        both = np.where(taken, (codes[:, children] + codes[:, parents]) / np.sqrt(2), 0)
        codes[:, children] *= ~taken
        for parent in np.unique(parents):
            codes[taken[:, parents == parent].any(axis=1), parent] = 0
        return np.hstack([codes, both])

    taken = (data.codes.toarray()[:, children] > threshold) @ (
        parents[:, None] == np.unique(parents)
    )
    return HandBuilt(np.concatenate([data.components, sums]), encode), taken > 0
