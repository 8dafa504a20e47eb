"""Data to try things on: planted features, a small language model, its stories and its tasks.

Floor 1: imports scikit-learn, numpy and scipy only.
"""

from skdict.datasets._agreement import make_agreement
from skdict.datasets._ioi import make_ioi
from skdict.datasets._pronouns import make_pronouns
from skdict.datasets._sparse_features import make_sparse_features
from skdict.datasets._stories import load_stories

__all__ = [
    "load_stories",
    "make_agreement",
    "make_ioi",
    "make_pronouns",
    "make_sparse_features",
]
