"""Dictionaries: estimators with `components_`, `transform` and `inverse_transform`.

Floor 2: imports `_core`, scikit-learn and numpy. Names outside `__all__` serve other parts of
skdict.
"""

from skdict._core import Nonlinearity
from skdict.decomposition._autoencoder_params import (
    check_autoencoder_params as check_autoencoder_params,
)
from skdict.decomposition._baselines import IdentityDictionary, RandomDictionary
from skdict.decomposition._contract import (
    check_is_dictionary,
    dictionary_atoms,
    dictionary_offset,
)
from skdict.decomposition._defaults import DEFAULTS as DEFAULTS
from skdict.decomposition._observers._base import Observer as Observer
from skdict.decomposition._path import SparseDictionaryPath, sparse_dictionary_path
from skdict.decomposition._path_cv import SparseDictionaryAutoencoderCV
from skdict.decomposition._schedule import count_steps as count_steps
from skdict.decomposition._sparse_dictionary_autoencoder import SparseDictionaryAutoencoder
from skdict.decomposition._to_torch import to_torch
from skdict.decomposition._topk_dictionary import TopKDictionary
from skdict.decomposition._training import fit_autoencoder as fit_autoencoder

__all__ = [
    "IdentityDictionary",
    "Nonlinearity",
    "RandomDictionary",
    "SparseDictionaryAutoencoder",
    "SparseDictionaryAutoencoderCV",
    "SparseDictionaryPath",
    "TopKDictionary",
    "check_is_dictionary",
    "dictionary_atoms",
    "dictionary_offset",
    "sparse_dictionary_path",
    "to_torch",
]
