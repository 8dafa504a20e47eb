"""Turn texts into rows of activations.

Floor 2: imports `decomposition`, `models`, `activations`, `_core` and scikit-learn.
"""

from skdict.feature_extraction._activation_extractor import ActivationExtractor, extract_activations
from skdict.feature_extraction._extraction import NoRowsError
from skdict.feature_extraction._feature_vectorizer import FeatureVectorizer
from skdict.feature_extraction._forward_pass import check_places, forward
from skdict.feature_extraction._join_activations import join_activations
from skdict.feature_extraction._windows import read_in_windows

__all__ = ["ActivationExtractor", "FeatureVectorizer", "extract_activations", "join_activations"]
