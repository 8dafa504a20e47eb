"""Looking at features: where they fire.

Floor 3: imports `decomposition` and `activations`.
"""

from skdict.inspection._summary import FeatureSummary, summarize_features

__all__ = ["FeatureSummary", "summarize_features"]
