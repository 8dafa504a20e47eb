"""Dictionaries of which each process of a group holds the features of a part.

They result from ``shard="components"`` where the whole dictionary does not fit in memory, and carry
`feature_range_`, the first feature held, the one after the last, and the number of all features.
"""

import os

import numpy as np
import scipy.sparse
import torch

from skdict._core import Weights, open_group, resolve_device
from skdict._validation import compute_dtype
from skdict.decomposition._codes import decode_rows, encode_rows
from skdict.decomposition._frozen import freeze
from skdict.decomposition._topk_dictionary import keep_strongest

# Arrays without one entry or row for each feature.
SHARED = ("mean_", "target_mean_", "skip_", "blocks_", "scale_", "outlier_cutoff_")
# Share of the machine's memory that the whole dictionaries of all processes may take. A share of
# the free memory would make the result depend on other programs.
MACHINE_SHARE = 0.25


def is_part(estimator):
    """Return True if an estimator holds a part of a dictionary."""
    return hasattr(estimator, "feature_range_")


def per_feature(attributes):
    """Return the names of the fitted arrays with one entry or row for each feature."""
    arrays = (name for name, value in attributes.items() if isinstance(value, np.ndarray))
    return [name for name in arrays if name not in SHARED and name != "feature_names_in_"]


def gather_features(attributes, group):
    """Replace the arrays of the features of this process by those of all, if they fit in memory.

    Parameters
    ----------
    attributes : dict
        Fitted attributes, changed in place. Where the whole does not fit, `feature_range_` is
        added instead.
    group : Alone or Group
        Processes that hold features.
    """
    if group.size == 1:
        return
    names, n_here = per_feature(attributes), len(attributes["components_"])
    n_components = group.total(n_here)
    n_bytes = sum(attributes[name].nbytes for name in names) / max(n_here, 1) * n_components
    if group.total(int(n_bytes * group.size <= MACHINE_SHARE * _machine_bytes())) < group.size:
        attributes["feature_range_"] = (*group.span(n_components), n_components)
        return
    for name in names:
        part = torch.from_numpy(attributes.pop(name))
        attributes[name] = group.joined(part, n_components).numpy()


def group_of_parts(estimator):
    """Return the group of the processes that hold the parts of a dictionary.

    Raises
    ------
    ValueError
        If the process group does not hold all parts.
    """
    start, stop, n_components = estimator.feature_range_
    group = open_group("components")
    if group.span(n_components) != (start, stop):
        raise ValueError(
            f"this process holds features {start} to {stop - 1} of {n_components}; call the method "
            f"in all {max(1, round(n_components / (stop - start)))} processes of the group that "
            f"fitted or loaded the dictionary, or save it and load it with load_dictionary"
        )
    return group


def encode_shared(estimator, X):
    """Return the codes of rows of a dictionary held in parts, whole in every process."""
    group = group_of_parts(estimator)
    codes = group.gather_objects(encode_part(estimator, X))
    codes = join_codes(codes, getattr(estimator, "k_", None))
    return codes if estimator.sparse_output else codes.toarray()


def decode_shared(estimator, codes):
    """Return the reconstructions of codes by a dictionary held in parts."""
    group = group_of_parts(estimator)
    start, stop, _ = estimator.feature_range_
    weights = Weights.of(estimator, part=True)
    mine = scipy.sparse.csc_array(codes)[:, start:stop].tocsr()
    rows = torch.from_numpy(decode_rows(mine, weights.components, np.zeros_like(weights.offset)))
    group.sum_([rows])
    return rows.numpy() + weights.offset.astype(codes.dtype, copy=False)


def encode_part(estimator, X):
    """Return the codes of the features that an estimator holds, as a CSR array.

    With `k_`, they are the k largest of these features, and `join_codes` drops the surplus.
    """
    weights = Weights.of(estimator, part=True)
    dictionary = freeze(weights, compute_dtype(X), resolve_device(estimator.device))
    return encode_rows(dictionary, X, sparse_output=True, few_active=True)


def join_codes(parts, k):
    """Return the codes of a dictionary from those of its parts.

    Parameters
    ----------
    parts : list of csr_array of shape (n_samples, n_part)
        Codes of consecutive features.
    k : int or None
        Maximum number of codes per row.

    Returns
    -------
    csr_array of shape (n_samples, n_components)
    """
    codes = scipy.sparse.hstack(parts, format="csr")
    return codes if k is None else keep_strongest(codes, k, np.ones(codes.shape[1], codes.dtype))


def _machine_bytes():
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return np.inf
