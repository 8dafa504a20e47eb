"""Identity of a fit: everything that determines which dictionary it learns."""

import hashlib
import json

import numpy as np

from skdict._core import Weights, iter_blocks
from skdict._validation import as_host_array
from skdict.decomposition import Nonlinearity
from skdict.io.formats.native import plain_params

# Parameters that do not change which dictionary is learned.
FREE = ("device", "shard", "sparse_output", "verbose")


def fit_identity(estimator, X, y=None):
    """Return what must be equal for a fit to be resumed.

    Parameters
    ----------
    estimator : SparseDictionaryAutoencoder or SparseTranscoder
        Unfitted estimator, or one with `warm_start`, whose parameters are valid.
    X : array-like of shape (n_samples, n_features)
        Rows to fit, read once.
    y : array-like of shape (n_samples, n_targets), optional
        Targets of a transcoder, read once.

    Returns
    -------
    dict
        Values by name, JSON-serialisable and readable in messages.

    Raises
    ------
    TypeError
        If attributes of an activation object are not JSON-serialisable.
    """
    identity = {name: v for name, v in plain_params(estimator).items() if name not in FREE}
    if isinstance(estimator.activation, Nonlinearity):
        identity["activation"] = _of_object(estimator.activation)
    if estimator.dict_init is not None:
        identity["dict_init"] = f"SHA-256 {_of_start(estimator.dict_init)}"
    identity["rows"] = _of_rows(X)
    if y is not None:
        identity["targets"] = _of_rows(y)
    if estimator.warm_start and hasattr(estimator, "components_"):
        identity["dictionary to start from"] = f"SHA-256 {_of_weights(estimator)}"
    return identity


def sha256_of(arrays, texts):
    """Return the SHA-256 of named arrays and named texts."""
    digest = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
    return digest.hexdigest()


def _of_rows(rows):
    digest = hashlib.sha256()
    for _, block in iter_blocks(rows):
        digest.update(np.ascontiguousarray(block))
    return f"{rows.shape[0]} x {rows.shape[1]} {rows.dtype}, SHA-256 {digest.hexdigest()}"


def _of_object(activation):
    kind = type(activation)
    try:
        attributes = json.dumps(vars(activation), sort_keys=True)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"activation={activation!r} has attributes that cannot be compared with those of a "
            f"checkpoint ({error}); store only numbers, strings and lists of them, or use fit"
        ) from error
    return f"{kind.__module__}.{kind.__qualname__} {attributes}"


def _of_start(given):
    """Return the SHA-256 of `dict_init`, which is a dictionary or directions."""
    if hasattr(given, "get_params"):
        return _of_weights(given)
    return sha256_of({"directions": np.asarray(as_host_array(given), dtype=np.float64)}, {})


def _of_weights(dictionary):
    """Return the SHA-256 of the weights that exist; `fit` rejects a dictionary that lacks some."""
    names = (name for name in Weights.attribute_names() if hasattr(dictionary, name))
    return sha256_of({name: np.asarray(getattr(dictionary, name)) for name in names}, {})
