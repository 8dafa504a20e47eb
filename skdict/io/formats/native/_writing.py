"""Write a fitted dictionary to a folder in the native format."""

import hashlib
import platform

import numpy as np
import sklearn
import torch
from safetensors.numpy import save

from skdict._files import sealed, whole_folder
from skdict.decomposition import Nonlinearity, is_part
from skdict.io.formats.native._manifest import FORMAT, MANIFEST, TENSORS, VERSION, check_state
from skdict.io.formats.native._parts import write_parts


def write(dictionary, folder, metadata):
    """Write a fitted dictionary to a folder, completely or not at all.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary of one of `CLASSES`.
    folder : str or path
        Destination folder.
    metadata : dict
        Metadata stored unchanged; must be JSON-serialisable.

    Raises
    ------
    ValueError
        If a weight is NaN or infinite.
    """
    name = type(dictionary).__name__
    arrays, plain = _split_state(dictionary)

    def describe(plain, sha256):
        return {
            "format": FORMAT,
            "version": VERSION,
            "class": name,
            "params": plain_params(dictionary),
            "fitted": plain,
            "metadata": dict(metadata),
            "sha256": sha256,
            "versions": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "scikit-learn": sklearn.__version__,
                "torch": str(torch.__version__),
            },
        }

    if is_part(dictionary):
        write_parts(dictionary, folder, arrays, plain, describe)
        return
    tensors = save(arrays)
    manifest = describe(plain, hashlib.sha256(tensors).hexdigest())
    check_state(name, plain, arrays, "the dictionary to save")
    text = sealed(manifest, indent=1, finite=False)
    with whole_folder(folder, MANIFEST, "a saved dictionary") as beside:
        (beside / TENSORS).write_bytes(tensors)
        (beside / MANIFEST).write_bytes(text)


def _split_state(dictionary):
    """Return fitted arrays, and other fitted attributes as plain Python values."""
    arrays, plain = {}, {}
    for name, value in vars(dictionary).items():
        if not (name.endswith("_") or name.startswith("_error_unit")) or name == "metadata_":
            continue
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            arrays[name] = np.ascontiguousarray(value)
        else:
            plain[name] = value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
    return arrays, plain


def plain_params(dictionary):
    """Return the JSON-serialisable parameters; an activation object becomes its class name.

    Sequences of numbers become lists. Random generators and `dict_init` are omitted.
    """
    params = dictionary.get_params(deep=False)
    if isinstance(params.get("activation"), Nonlinearity):
        params["activation"] = type(params["activation"]).__name__
    params.pop("dict_init", None)
    plain = {name: _as_plain(value) for name, value in params.items()}
    return {name: value for name, value in plain.items() if _fits_in_json(value)}


def _as_plain(value):
    """Return NumPy numbers, arrays and tuples as plain Python numbers and lists."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return list(map(_as_plain, value)) if isinstance(value, (list, tuple)) else value


def _fits_in_json(value):
    if isinstance(value, list):
        return all(map(_fits_in_json, value))
    return value is None or isinstance(value, (bool, int, float, str))
