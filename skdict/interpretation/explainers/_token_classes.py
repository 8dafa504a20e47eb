"""Classes of tokens with similar directions in the model's input embedding."""

from functools import lru_cache

import joblib
import numpy as np
from sklearn.cluster import KMeans

# Numbers of classes, from broad to narrow; levels that would leave too few types per class are
# left out.
LEVELS = (32, 64, 128, 256, 512, 1024, 2048, 4096)
FEWEST_TYPES_PER_CLASS = 1.4
MAX_ITER = 10


def token_classes(token_ids, vectors):
    """Cluster token types at several levels of detail.

    Classes are those of k-means on the types that occur, weighted by the square root of their
    frequency. Types that do not occur belong to the class with the nearest centre.

    Parameters
    ----------
    token_ids : ndarray of int, shape (n_tokens,)
        Tokens of the text.
    vectors : ndarray of shape (n_types, n_dimensions)
        Vector of each token type.

    Returns
    -------
    tuple of list of tuple of int
        For each level, the token ids of each class.
    """
    types, counts = np.unique(token_ids, return_counts=True)
    return _classes(_Types(types, counts, np.asarray(vectors, dtype=np.float32)))


class _Types:
    """Token types of a text with their counts, and all vectors; equal if their values are.

    Dictionaries are compared on the same text, and clustering takes longer than explaining some of
    them.
    """

    def __init__(self, types, counts, vectors):
        self.types, self.counts, self.vectors = types, counts, vectors
        self._digest = joblib.hash((types, counts, vectors))

    def __hash__(self):
        return hash(self._digest)

    def __eq__(self, other):
        return self._digest == other._digest


@lru_cache(maxsize=4)
def _classes(text):
    found = []
    for k in LEVELS:
        if k * FEWEST_TYPES_PER_CLASS > len(text.types):
            break
        means = KMeans(k, init="random", n_init=1, max_iter=MAX_ITER, random_state=0)
        means.fit(text.vectors[text.types], sample_weight=np.sqrt(text.counts))
        found.append(_members(means.predict(text.vectors), k))
    return tuple(found)


def _members(class_of, n_classes):
    order = np.argsort(class_of, kind="stable")
    ends = np.cumsum(np.bincount(class_of, minlength=n_classes))
    return [tuple(ids.tolist()) for ids in np.split(order, ends[:-1]) if len(ids)]
