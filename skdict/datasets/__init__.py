"""Datasets: planted sparse features, language models with texts, labels and task prompts.

Floor 2: imports `models`, `_files`, scikit-learn, numpy and scipy; huggingface_hub when it
downloads.
"""

from skdict.datasets._agreement import make_agreement
from skdict.datasets._ioi import make_ioi
from skdict.datasets._label_sections import label_sections
from skdict.datasets._label_tokens import label_tokens
from skdict.datasets._pronouns import make_pronouns
from skdict.datasets._smollm2 import fetch_smollm2
from skdict.datasets._sparse_features import make_sparse_features
from skdict.datasets._stories import load_stories

__all__ = [
    "fetch_smollm2",
    "label_sections",
    "label_tokens",
    "load_stories",
    "make_agreement",
    "make_ioi",
    "make_pronouns",
    "make_sparse_features",
]
