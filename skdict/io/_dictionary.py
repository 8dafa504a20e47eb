"""Dictionaries as safetensors and JSON."""

import hashlib
import json
import platform
from pathlib import Path

import numpy as np
import sklearn
import torch
from safetensors.numpy import load, save
from sklearn.utils.validation import check_is_fitted

from skdict._files import restore_interrupted, whole_folder
from skdict._validation import check_choice
from skdict.decomposition import (
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
)
from skdict.io import _saelens
from skdict.io._reading import read_json

MANIFEST = "dictionary.json"
TENSORS = "dictionary.safetensors"
FORMAT, VERSION = "skdict.dictionary", 1
CLASSES = {
    c.__name__: c for c in (SparseDictionaryAutoencoder, RandomDictionary, IdentityDictionary)
}


def save_dictionary(dictionary, folder, *, format="skdict", metadata=None):
    """Write a fitted dictionary to a folder.

    The folder is written beside and renamed, so that it is always whole; an earlier
    dictionary of the same format there is replaced.

    Parameters
    ----------
    dictionary : SparseDictionaryAutoencoder, RandomDictionary or IdentityDictionary
        Fitted. Other estimators are kept by joblib, whose files run code when loaded.
    folder : str or path
        Where to write.
    format : {"skdict", "saelens"}, default="skdict"
        "skdict" keeps what `transform` and `fit` need, parameters and history: numbers in
        safetensors, the rest in JSON; only the optimiser's state, with which `partial_fit` goes on,
        is left out. "saelens" is the directory that SAELens 6 reads as a standard
        autoencoder; it keeps encoder and decoder alone.
    metadata : dict, optional
        Where the rows came from, such as ``acts.metadata`` (`model`, `hook_point`); must fit
        in JSON. By default what a loaded dictionary came with.

    Raises
    ------
    TypeError
        If the estimator is none of those named, or the metadata does not fit in JSON.
    ValueError
        If the format is unknown.
    FileExistsError
        If the folder holds something else.

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
            f"{name} cannot be saved as tensors; {', '.join(CLASSES)} can; keep others with "
            f"joblib.dump, or save what to_torch gives of them"
        )
    check_is_fitted(dictionary)
    if format == "saelens":
        metadata = getattr(dictionary, "metadata_", {}) if metadata is None else metadata
        _saelens.write(dictionary, folder, metadata)
        return
    arrays, plain = _split_state(dictionary)
    tensors = save(arrays)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "class": name,
        "params": _plain_params(dictionary),
        "fitted": plain,
        "metadata": dict(getattr(dictionary, "metadata_", {}) if metadata is None else metadata),
        "sha256": hashlib.sha256(tensors).hexdigest(),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": sklearn.__version__,
            "torch": torch.__version__,
        },
    }
    text = json.dumps(manifest, indent=1)
    with whole_folder(folder, MANIFEST, "a saved dictionary") as beside:
        (beside / TENSORS).write_bytes(tensors)
        (beside / MANIFEST).write_text(text, encoding="utf-8")


def load_dictionary(folder):
    """Return the dictionary that a folder holds, without running any code of it.

    Parameters
    ----------
    folder : str or path
        What `save_dictionary` wrote, or a SAELens directory of a standard autoencoder (any
        SAELens 6 file with ReLU codes; its directions are brought to unit length, which
        leaves reconstructions as they are).

    Returns
    -------
    estimator
        Fitted. What was given as `metadata` is its attribute ``metadata_``.

    Raises
    ------
    FileNotFoundError
        If the folder holds no dictionary.
    ValueError
        If its format or version is another, its files do not fit together or were changed,
        or it is an architecture that has no counterpart here.
    """
    folder = Path(folder)
    restore_interrupted(folder)
    if (folder / _saelens.CONFIG).is_file():
        return _saelens.read(folder)
    if not (folder / MANIFEST).is_file():
        raise FileNotFoundError(
            f"{str(folder)!r} holds neither {MANIFEST} nor {_saelens.CONFIG}; pass a folder "
            f"written by save_dictionary or by SAELens"
        )
    manifest = read_json(folder / MANIFEST)
    found = manifest.get("format"), manifest.get("version"), manifest.get("class")
    whole = all(isinstance(manifest.get(key), dict) for key in ("params", "fitted", "metadata"))
    if found[:2] != (FORMAT, VERSION) or str(found[2]) not in CLASSES or not whole:
        raise ValueError(
            f"{str(folder)!r} says format {found[0]!r}, version {found[1]!r}, class {found[2]!r}; "
            f"this skdict reads {FORMAT!r}, version {VERSION}, classes {', '.join(CLASSES)}, "
            f"with params, fitted and metadata"
        )
    content = (folder / TENSORS).read_bytes() if (folder / TENSORS).is_file() else b""
    if hashlib.sha256(content).hexdigest() != manifest.get("sha256"):
        raise ValueError(
            f"{str(folder / TENSORS)!r} is not the file that its manifest was written for: it is "
            f"truncated, changed or missing; save the dictionary again"
        )
    dictionary = CLASSES[manifest["class"]]().set_params(**manifest["params"])
    fitted, arrays = manifest["fitted"], load(content)
    if "components_" not in arrays:
        raise ValueError(f"{str(folder / TENSORS)!r} lacks components_; save the dictionary again")
    if "feature_names_in_" in fitted:
        fitted["feature_names_in_"] = np.array(fitted["feature_names_in_"], dtype=object)
    vars(dictionary).update(fitted, **arrays, metadata_=manifest["metadata"])
    return dictionary


def _split_state(dictionary):
    """Return fitted arrays, and what else is fitted as plain Python."""
    arrays, plain = {}, {}
    for name, value in vars(dictionary).items():
        if not (name.endswith("_") or name.startswith("_error_unit")) or name == "metadata_":
            continue
        if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
            arrays[name] = np.ascontiguousarray(value)
        elif isinstance(value, np.ndarray):
            plain[name] = value.tolist()
        else:
            plain[name] = value.item() if isinstance(value, np.generic) else value
    return arrays, plain


def _plain_params(dictionary):
    """Return parameters as JSON has them; a generator of random numbers becomes None."""
    params = dictionary.get_params(deep=False)
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in params.items()
        if value is None or isinstance(value, (bool, int, float, str, np.generic))
    }
