"""skdict takes the hidden features out of language models, the scikit-learn way."""

from skdict.activations import Activations
from skdict.datasets import load_stories
from skdict.decomposition import (
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    SparseDictionaryAutoencoderCV,
    sparse_dictionary_path,
)
from skdict.feature_extraction import ActivationExtractor
from skdict.inspection import FeatureStatistics, write_report
from skdict.interpretation import FeatureInterpreter, InterpretabilityScorer
from skdict.interventions import intervene, patching_curve
from skdict.metrics import compare_dictionaries

__version__ = "0.1.0.dev0"
__all__ = [
    "ActivationExtractor",
    "Activations",
    "FeatureInterpreter",
    "FeatureStatistics",
    "IdentityDictionary",
    "InterpretabilityScorer",
    "RandomDictionary",
    "SparseDictionaryAutoencoder",
    "SparseDictionaryAutoencoderCV",
    "compare_dictionaries",
    "intervene",
    "load_stories",
    "patching_curve",
    "sparse_dictionary_path",
    "write_report",
]
