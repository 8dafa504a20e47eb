"""Looking at features: where they fire.

Floor 3: imports `decomposition` and `activations`.
"""

from skdict.inspection._records import FeatureRecords, Record, RecordCollector, collect_records
from skdict.inspection._summary import FeatureSummary, summarize_features
from skdict.inspection._token_blocks import TokenBlock, iter_documents, split_documents

__all__ = [
    "FeatureRecords",
    "FeatureSummary",
    "Record",
    "RecordCollector",
    "TokenBlock",
    "collect_records",
    "iter_documents",
    "split_documents",
    "summarize_features",
]
