"""The processes that fit one estimator together: validate `shard`, and see that they agree."""

import hashlib
import warnings
from contextlib import contextmanager

import numpy as np
import torch

from skdict._core import Nonlinearity, check_same, open_group, sample_rows
from skdict._validation import check_choice
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
    with warnings.catch_warnings():
        if group.rank > 0:
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
    values |= {"the number of processes": group.size, "the class": type(sae).__name__}
    for name, side in zip(("X", "y"), sides, strict=False):
        values[f"the shape of {name}"] = tuple(side.shape)
        values[f"the dtype of {name}"] = str(side.dtype)
        values[f"the SHA-256 of a sample of {name}"] = _hash(sample_rows(side, SAMPLE_ROWS))
    params = sae.get_params(deep=False)
    plain = (int, float, str, bool, type(None), list, tuple, np.generic)
    values |= {k: v for k, v in params.items() if k not in FREE and isinstance(v, plain)}
    check_same(group, values)


def _hash(array):
    return hashlib.sha256(np.ascontiguousarray(array)).hexdigest()
