"""Data to try things on: planted features, and a small language model with its stories.

Floor 1: imports scikit-learn, numpy and scipy only.
"""

from skdict.datasets._sparse_features import make_sparse_features
from skdict.datasets._stories import load_stories

__all__ = ["load_stories", "make_sparse_features"]
