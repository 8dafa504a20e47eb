"""Pictures, in scikit-learn's convention: from_* gathers what is shown, plot draws it."""

from skdict.inspection._displays._alpha_path import AlphaPathDisplay
from skdict.inspection._displays._feature_density import FeatureDensityDisplay
from skdict.inspection._displays._feature_map import FeatureMapDisplay
from skdict.inspection._displays._input_histogram import InputHistogramDisplay
from skdict.inspection._displays._interpretability import InterpretabilityDisplay
from skdict.inspection._displays._patching_curve import PatchingCurveDisplay
from skdict.inspection._displays._similarity import DictionarySimilarityDisplay
from skdict.inspection._displays._training_history import TrainingHistoryDisplay

__all__ = [
    "AlphaPathDisplay",
    "DictionarySimilarityDisplay",
    "FeatureDensityDisplay",
    "FeatureMapDisplay",
    "InputHistogramDisplay",
    "InterpretabilityDisplay",
    "PatchingCurveDisplay",
    "TrainingHistoryDisplay",
]
