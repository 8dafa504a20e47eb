"""Texts become rows of activations.

Floor 2: imports `models`, `activations`, `_core`, scikit-learn.
"""

from skdict.feature_extraction._activation_extractor import ActivationExtractor

__all__ = ["ActivationExtractor"]
