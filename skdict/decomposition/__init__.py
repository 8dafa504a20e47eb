"""Dictionaries: estimators with `components_`, `transform` and `inverse_transform`.

Floor 2: imports `models`, `_core`, scikit-learn and numpy. Names outside `__all__` are for use by
other parts of skdict.
"""

from skdict._core import Nonlinearity
from skdict.decomposition._autoencoder_params import (
    check_autoencoder_params,
)
from skdict.decomposition._base import BaseDictionary, width_restored_on_error
from skdict.decomposition._baselines import IdentityDictionary, RandomDictionary
from skdict.decomposition._block_transcoder import block_transcoder
from skdict.decomposition._blocks import encode_blocks, finite_blocks, moments_of
from skdict.decomposition._codes import decode_rows
from skdict.decomposition._contract import (
    check_is_dictionary,
    check_reconstructs_rows,
    check_targets_given,
    dictionary_atoms,
    dictionary_offset,
    is_transcoder,
    rest_of_prediction,
)
from skdict.decomposition._dead_features import are_dead, firing_counts
from skdict.decomposition._defaults import DEFAULTS
from skdict.decomposition._layers import fit_layers
from skdict.decomposition._measure import measure_at_cuts, measure_dictionary
from skdict.decomposition._neuron_transcoder import NeuronTranscoder
from skdict.decomposition._observers._base import Observer
from skdict.decomposition._parts import (
    encode_part,
    group_of_parts,
    is_part,
    join_codes,
    per_feature,
)
from skdict.decomposition._path import SparseDictionaryPath, sparse_dictionary_path
from skdict.decomposition._path_cv import SparseDictionaryAutoencoderCV
from skdict.decomposition._prefit import KeepFittedDictionary, check_prefit, fit_or_use
from skdict.decomposition._pretrained import PretrainedDictionary, PretrainedTranscoder
from skdict.decomposition._schedule import count_steps
from skdict.decomposition._selection import selection_rule
from skdict.decomposition._sharding import group_of, only_first_warns
from skdict.decomposition._sparse_dictionary_autoencoder import SparseDictionaryAutoencoder
from skdict.decomposition._sparse_transcoder import SparseTranscoder
from skdict.decomposition._to_torch import to_torch
from skdict.decomposition._topk_dictionary import TopKDictionary, split_signs
from skdict.decomposition._training import fit_autoencoder

__all__ = [
    "IdentityDictionary",
    "NeuronTranscoder",
    "Nonlinearity",
    "PretrainedDictionary",
    "PretrainedTranscoder",
    "RandomDictionary",
    "SparseDictionaryAutoencoder",
    "SparseDictionaryAutoencoderCV",
    "SparseTranscoder",
    "TopKDictionary",
    "block_transcoder",
    "dictionary_atoms",
    "dictionary_offset",
    "fit_layers",
    "sparse_dictionary_path",
    "to_torch",
]
