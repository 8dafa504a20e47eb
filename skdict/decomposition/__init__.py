"""Dictionaries: estimators with `components_`, `transform` and `inverse_transform`.

Floor 2: imports `_core`, scikit-learn and numpy.
"""

from skdict.decomposition._baselines import IdentityDictionary, RandomDictionary
from skdict.decomposition._contract import (
    check_is_dictionary,
    dictionary_atoms,
    dictionary_offset,
)
from skdict.decomposition._sparse_dictionary_autoencoder import SparseDictionaryAutoencoder

__all__ = [
    "IdentityDictionary",
    "RandomDictionary",
    "SparseDictionaryAutoencoder",
    "check_is_dictionary",
    "dictionary_atoms",
    "dictionary_offset",
]
