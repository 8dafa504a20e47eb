"""Plots that follow scikit-learn's Display convention: from_* computes the data, plot draws it.

Floor 5, as all of `inspection`.
"""

from skdict.inspection.displays._alpha_path import AlphaPathDisplay
from skdict.inspection.displays._feature_density import FeatureDensityDisplay
from skdict.inspection.displays._feature_map import FeatureMapDisplay
from skdict.inspection.displays._input_histogram import InputHistogramDisplay
from skdict.inspection.displays._interpretability import InterpretabilityDisplay
from skdict.inspection.displays._layer_features import LayerFeaturesDisplay
from skdict.inspection.displays._patching_curve import PatchingCurveDisplay
from skdict.inspection.displays._similarity import DictionarySimilarityDisplay
from skdict.inspection.displays._training_history import TrainingHistoryDisplay

__all__ = [
    "AlphaPathDisplay",
    "DictionarySimilarityDisplay",
    "FeatureDensityDisplay",
    "FeatureMapDisplay",
    "InputHistogramDisplay",
    "InterpretabilityDisplay",
    "LayerFeaturesDisplay",
    "PatchingCurveDisplay",
    "TrainingHistoryDisplay",
]
