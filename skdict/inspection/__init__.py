"""Inspect features: what they fire on, how they compare, plots and an HTML report.

Floor 5: imports only from packages on lower floors.
"""

from skdict.inspection._case_studies import predicate_scores
from skdict.inspection._checks import check_activations
from skdict.inspection._encoding import FeatureColumns
from skdict.inspection._features import FeatureSummary, summarize_features
from skdict.inspection._flags import flag_features
from skdict.inspection._neighbours import feature_splitting, nearest_features
from skdict.inspection._statistics import FeatureStatistics
from skdict.inspection._token_tables import TokenTable
from skdict.inspection.displays import (
    AlphaPathDisplay,
    DictionarySimilarityDisplay,
    FeatureDensityDisplay,
    FeatureMapDisplay,
    InputHistogramDisplay,
    InterpretabilityDisplay,
    LayerFeaturesDisplay,
    PatchingCurveDisplay,
    TrainingHistoryDisplay,
)
from skdict.inspection.evidence import (
    FeatureRecords,
    Record,
    collect_records,
)
from skdict.inspection.report import write_report

__all__ = [
    "AlphaPathDisplay",
    "DictionarySimilarityDisplay",
    "FeatureDensityDisplay",
    "FeatureMapDisplay",
    "FeatureStatistics",
    "InputHistogramDisplay",
    "InterpretabilityDisplay",
    "LayerFeaturesDisplay",
    "PatchingCurveDisplay",
    "TrainingHistoryDisplay",
    "collect_records",
    "feature_splitting",
    "flag_features",
    "nearest_features",
    "predicate_scores",
    "summarize_features",
    "write_report",
]
