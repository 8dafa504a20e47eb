"""Dictionaries: estimators with `components_`, `transform` and `inverse_transform`.

Floor 2: imports `_core`, scikit-learn and numpy. Names outside `__all__` serve other parts of
skdict.
"""

from skdict._core import Nonlinearity
from skdict.decomposition._autoencoder_params import (
    check_autoencoder_params as check_autoencoder_params,
)
from skdict.decomposition._base import width_restored_on_error as width_restored_on_error
from skdict.decomposition._baselines import IdentityDictionary, RandomDictionary
from skdict.decomposition._blocks import encode_blocks as encode_blocks
from skdict.decomposition._blocks import finite_blocks as finite_blocks
from skdict.decomposition._blocks import moments_of as moments_of
from skdict.decomposition._contract import (
    check_is_dictionary,
    dictionary_atoms,
    dictionary_offset,
)
from skdict.decomposition._dead_features import are_dead as are_dead
from skdict.decomposition._dead_features import firing_counts as firing_counts
from skdict.decomposition._defaults import DEFAULTS as DEFAULTS
from skdict.decomposition._measure import measure_at_cuts as measure_at_cuts
from skdict.decomposition._measure import measure_dictionary as measure_dictionary
from skdict.decomposition._observers._base import Observer as Observer
from skdict.decomposition._path import SparseDictionaryPath, sparse_dictionary_path
from skdict.decomposition._path_cv import SparseDictionaryAutoencoderCV
from skdict.decomposition._prefit import KeepFittedDictionary as KeepFittedDictionary
from skdict.decomposition._prefit import check_prefit as check_prefit
from skdict.decomposition._prefit import fit_or_use as fit_or_use
from skdict.decomposition._schedule import count_steps as count_steps
from skdict.decomposition._selection import knee as knee
from skdict.decomposition._selection import nearest_l0 as nearest_l0
from skdict.decomposition._selection import one_standard_error as one_standard_error
from skdict.decomposition._selection import sparsest_within as sparsest_within
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
