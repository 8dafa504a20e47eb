"""Evaluate dictionaries: metrics from arrays to numbers, and comparisons in one table.

Floor 3: imports `decomposition`, whose dictionaries it measures, and `datasets`.
"""

from skdict.decomposition import selection_rule
from skdict.metrics._agreement import capacity, code_correlation, dictionary_similarity
from skdict.metrics._compare import (
    ComparisonTable,
    check_scorers,
    compare_dictionaries,
    mean_interval,
    scores_by_name,
)
from skdict.metrics._correlation import CorrelationSums, pearson
from skdict.metrics._match_layers import LayerMatch, match_layers
from skdict.metrics._reconstruction import fvu, reconstruction_bias
from skdict.metrics._scorer import DictionaryScorer, split_rows
from skdict.metrics._similarity import (
    feature_recovery,
    max_cosine_similarity,
    unit_rows,
)
from skdict.metrics._sparsity import dead_features, l0
from skdict.metrics._synthetic_benchmark import synthetic_benchmark
from skdict.metrics.probing import SparseProbing

__all__ = [
    "DictionaryScorer",
    "SparseProbing",
    "capacity",
    "code_correlation",
    "compare_dictionaries",
    "dead_features",
    "dictionary_similarity",
    "feature_recovery",
    "fvu",
    "l0",
    "match_layers",
    "max_cosine_similarity",
    "reconstruction_bias",
    "selection_rule",
    "synthetic_benchmark",
]
