"""Dictionaries in safetensors and JSON."""

import hashlib
import platform
from pathlib import Path

import numpy as np
import sklearn
import torch
from safetensors.numpy import save
from sklearn.utils.validation import check_is_fitted

from skdict._files import restore_interrupted, sealed, whole_folder
from skdict._validation import check_choice, check_json
from skdict.decomposition import (
    Nonlinearity,
)
from skdict.io._manifest import (
    CLASSES,
    FORMAT,
    MANIFEST,
    TENSORS,
    VERSION,
    check_state,
    read_arrays,
    read_manifest,
)
from skdict.io.formats import saelens


def save_dictionary(dictionary, folder, *, format="skdict", metadata=None):
    """Write a fitted dictionary to a folder.

    The folder is written under another name and renamed, so that it is never incomplete; an
    earlier dictionary of the same format is replaced.

    Parameters
    ----------
    dictionary : SparseDictionaryAutoencoder, RandomDictionary or IdentityDictionary
        Fitted. Save other estimators with joblib, whose files run code when loaded.
    folder : str or path
        Destination.
    format : {"skdict", "saelens"}, default="skdict"
        "skdict" keeps all fitted attributes, parameters and history, arrays in safetensors and
        the rest in JSON. It leaves out the optimiser's state of `partial_fit`, and `dict_init`,
        which is where training started and not what was learned; of an `activation` given as an
        object it keeps the name of the class, which suffices for `transform` but not for `fit`.
        "saelens" is a directory that SAELens 6 reads. It keeps what encodes and decodes:
        ``standard`` for plain ReLU codes, ``topk`` for "topk", ``jumprelu`` for "batch_topk" and
        for `debias=True`, whose gains and offsets are folded into encoder and thresholds.
    metadata : dict, optional
        Origin of the rows, such as ``acts.metadata`` (`model`, `hook_point`); must fit in JSON.
        By default that of a loaded dictionary. "saelens" keeps `model`, `hook_point` and `l0`.

    Raises
    ------
    TypeError
        If the estimator is of another class, or the metadata does not fit in JSON.
    ValueError
        If the format is unknown, a weight is NaN or infinite, or SAELens has no codes of this form
        (signed ones, offsets with "topk", codes that can be negative).
    FileExistsError
        If the folder holds something other than a dictionary of this format, or another process
        is writing to it.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from skdict import SparseDictionaryAutoencoder
    >>> from skdict.io import load_dictionary, save_dictionary
    >>> X = np.random.default_rng(0).standard_normal((100, 4))
    >>> sae = SparseDictionaryAutoencoder(8, max_iter=1, random_state=0).fit(X)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_dictionary(sae, folder + "/sae", metadata={"hook_point": "resid_post.2"})
    ...     again = load_dictionary(folder + "/sae")
    >>> bool((again.transform(X) != sae.transform(X)).nnz == 0)
    True
    """
    check_choice("format", format, ("skdict", "saelens"))
    name = type(dictionary).__name__
    if CLASSES.get(name) is not type(dictionary):
        raise TypeError(
            f"{name} cannot be saved as tensors; {', '.join(CLASSES)} can; save others with "
            f"joblib.dump, or save the tensors of to_torch"
        )
    check_is_fitted(dictionary)
    if metadata is not None:
        metadata = check_json("metadata", metadata)
    if format == "saelens":
        metadata = getattr(dictionary, "metadata_", {}) if metadata is None else metadata
        saelens.write(dictionary, folder, metadata)
        return
    arrays, plain = _split_state(dictionary)
    tensors = save(arrays)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "class": name,
        "params": plain_params(dictionary),
        "fitted": plain,
        "metadata": dict(getattr(dictionary, "metadata_", {}) if metadata is None else metadata),
        "sha256": hashlib.sha256(tensors).hexdigest(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "torch": str(torch.__version__),
        },
    }
    check_state(name, plain, arrays, "a dictionary that is to be saved")
    text = sealed(manifest, indent=1, finite=False)
    with whole_folder(folder, MANIFEST, "a saved dictionary") as beside:
        (beside / TENSORS).write_bytes(tensors)
        (beside / MANIFEST).write_bytes(text)


def load_dictionary(folder):
    """Return the dictionary in a folder, without running any code from it.

    Parameters
    ----------
    folder : str or path
        Folder written by `save_dictionary`, or a SAELens 6 directory of architecture ``standard``,
        ``topk`` or ``jumprelu``. Their directions are scaled to unit length, and codes with them,
        which does not change reconstructions.

    Returns
    -------
    estimator
        Fitted, with the saved metadata in ``metadata_``. From ``jumprelu`` its `activation` is
        "batch_topk" if all thresholds are equal, else "jumprelu".

    Raises
    ------
    FileNotFoundError
        If the folder holds no dictionary.
    ValueError
        If the format or version is unknown, files are damaged or do not belong together, or the
        architecture has no counterpart here.
    """
    folder = Path(folder)
    restore_interrupted(folder)
    if (folder / saelens.CONFIG).is_file():
        return saelens.read(folder)
    if not (folder / MANIFEST).is_file():
        raise FileNotFoundError(
            f"{str(folder)!r} holds neither {MANIFEST} nor {saelens.CONFIG}; pass a folder "
            f"written by save_dictionary or by SAELens"
        )
    manifest = read_manifest(folder)
    arrays = read_arrays(folder, manifest["sha256"])
    fitted = manifest["fitted"]
    check_state(manifest["class"], fitted, arrays, repr(str(folder)))
    dictionary = CLASSES[manifest["class"]]().set_params(**manifest["params"])
    if "feature_names_in_" in fitted:
        fitted["feature_names_in_"] = np.array(fitted["feature_names_in_"], dtype=object)
    vars(dictionary).update(fitted, **arrays, metadata_=manifest["metadata"])
    return dictionary


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
    """Return parameters that fit in JSON, an activation object as the name of its class.

    Sequences of numbers become lists. Random generators and `dict_init` are left out.
    """
    params = dictionary.get_params(deep=False)
    if isinstance(params.get("activation"), Nonlinearity):
        params["activation"] = type(params["activation"]).__name__
    params.pop("dict_init", None)
    plain = {name: _as_plain(value) for name, value in params.items()}
    return {name: value for name, value in plain.items() if _fits_in_json(value)}


def _as_plain(value):
    """Return numpy numbers and arrays, and tuples, as Python's own numbers and lists."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    return list(map(_as_plain, value)) if isinstance(value, (list, tuple)) else value


def _fits_in_json(value):
    if isinstance(value, list):
        return all(map(_fits_in_json, value))
    return value is None or isinstance(value, (bool, int, float, str))
