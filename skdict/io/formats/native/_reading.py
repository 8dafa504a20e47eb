"""Read a folder in the native format as a fitted estimator."""

from pathlib import Path

import numpy as np

from skdict._core import agreed
from skdict.decomposition import SparseDictionaryAutoencoder
from skdict.io._dictionary_in_parts import DictionaryInParts
from skdict.io.formats.native._manifest import (
    CLASSES,
    MANIFEST,
    TENSORS,
    check_state,
    read_arrays,
    read_manifest,
)
from skdict.io.formats.native._parts import read_span, spans_of


def matches(source):
    """Return True if a source holds a dictionary in the native format."""
    return MANIFEST in source


def read(source):
    """Return the dictionary in a folder without running any code from it.

    Parameters
    ----------
    source : Source
        Folder written by `write`, in one file or in parts.

    Returns
    -------
    estimator
        Fitted dictionary with `metadata_`.

    Raises
    ------
    ValueError
        If the version is unknown, or files are damaged or do not belong together.
    """
    folder = source.path(MANIFEST).parent
    manifest = read_manifest(folder)
    return _estimator(folder, manifest, _arrays(source, manifest["sha256"], 0, np.inf))


def read_in_parts(source, group):
    """Return the features of this process, or a dictionary that reads its parts when needed.

    Parameters
    ----------
    source : Source
        Folder written by `write` in parts.
    group : Alone or Group
        Processes that share the dictionary.

    Returns
    -------
    estimator
        In a group, a fitted dictionary that holds the features of this process. In one process,
        `DictionaryInParts` with the parts of the files.
    """
    folder = source.path(MANIFEST).parent
    manifest = read_manifest(folder)
    hashes, told = manifest["sha256"], repr(str(folder / MANIFEST))
    if isinstance(hashes, str):
        raise ValueError(
            f"{told} is that of a dictionary saved as a whole; load it with in_parts=False"
        )
    spans = list(spans_of(hashes, told).values())
    n_components = spans[-1][1]

    def load_part(start, stop):
        part = _estimator(folder, manifest, _arrays(source, hashes, start, stop))
        part.feature_range_ = (start, stop, n_components)
        return part

    if group.size > 1:
        with agreed(group):
            return load_part(*group.span(n_components))
    if manifest["class"] != SparseDictionaryAutoencoder.__name__:
        raise ValueError(
            f"{told} is that of a {manifest['class']}, which one process cannot use in parts; load "
            f"it with in_parts=False, or in a process group"
        )
    return DictionaryInParts(folder, load_part, spans).open()


def _arrays(source, hashes, start, stop):
    folder = source.path(MANIFEST).parent
    # On the hub, this downloads the files.
    for name in [TENSORS] if isinstance(hashes, str) else hashes:
        source.optional(name, Path.stat)
    if isinstance(hashes, str):
        return read_arrays(folder, hashes)
    return read_span(folder, hashes, start, stop)


def _estimator(folder, manifest, arrays):
    """Return the estimator that a manifest and arrays describe, after checking them."""
    fitted = dict(manifest["fitted"])
    check_state(manifest["class"], fitted, arrays, repr(str(folder)))
    dictionary = CLASSES[manifest["class"]]().set_params(**manifest["params"])
    if "feature_names_in_" in fitted:
        fitted["feature_names_in_"] = np.array(fitted["feature_names_in_"], dtype=object)
    vars(dictionary).update(fitted, **arrays, metadata_=manifest["metadata"])
    return dictionary
