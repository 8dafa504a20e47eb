"""The processes that fit one estimator together: validate `shard`, and see that they agree."""

import hashlib
import warnings
from contextlib import contextmanager

import numpy as np
import torch

from skdict._core import Nonlinearity, Weights, agreed, check_same, open_group, sample_rows
from skdict._validation import as_host_array, check_choice
from skdict._version import __version__

SHARDS = (None, "rows", "components")
# Parameters in which processes may differ.
FREE = ("device", "verbose", "random_state")
# Rows that are compared between processes.
SAMPLE_ROWS = 4096


def check_shard(sae):
    """Raise ValueError if `shard` is unknown or another parameter does not allow it."""
    check_choice("shard", sae.shard, SHARDS)
    if sae.shard != "components":
        return
    if getattr(sae, "debias", False):
        raise ValueError(
            "debias=True refits all features together, but with shard='components' each process "
            "holds a part of them; pass debias=False, or shard='rows'"
        )
    custom = isinstance(sae.activation, Nonlinearity)
    if custom and type(sae.activation).select is not Nonlinearity.select:
        raise ValueError(
            f"activation={sae.activation!r} selects among all features, but with "
            f"shard='components' each process holds a part of them; pass shard='rows', or the name "
            f"of a built-in activation"
        )


def group_of(sae):
    """Return the processes that fit an estimator together; `Alone` without a process group."""
    return open_group(sae.shard)


@contextmanager
def only_first_warns(group):
    """Suppress warnings in all processes of a group but the first."""
    if group.rank == 0:
        yield
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def check_processes(sae, sides, group):
    """Check that all processes of a group were started with the same rows and parameters.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder or SparseTranscoder
        Estimator whose parameters are compared.
    sides : list of array-like of shape (n, d)
        Rows and, for a transcoder, their targets, of which a sample is compared.
    group : Alone or Group
        Processes that fit the estimator.
    """
    if group.size == 1:
        return
    values = {"the version of skdict": __version__, "the version of torch": torch.__version__}
    with agreed(group):
        values |= _facts(sae, sides)
    check_same(group, values)


def _facts(sae, sides):
    """Return what must be equal in all processes, by the name that messages use."""
    facts = {"the class": type(sae).__name__}
    for name, side in zip(("X", "y"), sides, strict=False):
        facts[f"the shape of {name}"] = tuple(side.shape)
        facts[f"the dtype of {name}"] = str(side.dtype)
        facts[f"the SHA-256 of a sample of {name}"] = _hash(sample_rows(side, SAMPLE_ROWS))
    params = {k: v for k, v in sae.get_params(deep=False).items() if k not in FREE}
    plain = (int, float, str, bool, type(None), list, tuple, np.generic)
    facts |= {k: v for k, v in params.items() if isinstance(v, plain)}
    if isinstance(params.get("blocks"), np.ndarray):
        facts["blocks"] = params["blocks"].tolist()
    if sae.dict_init is not None:
        facts["the SHA-256 of dict_init"] = _hash_of_start(sae.dict_init)
    if sae.warm_start and hasattr(sae, "components_"):
        facts["the SHA-256 of the fitted dictionary"] = _hash_of_start(sae)
    return facts


def _hash_of_start(given):
    """Return the SHA-256 of a fitted dictionary, or of directions."""
    if not hasattr(given, "get_params"):
        return _hash(np.asarray(as_host_array(given)))
    names = (name for name in Weights.attribute_names() if hasattr(given, name))
    return [_hash(np.asarray(getattr(given, name))) for name in names]


def _hash(array):
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
