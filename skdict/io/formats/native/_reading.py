"""Read a folder in the native format as a fitted estimator."""

from pathlib import Path

import numpy as np

from skdict.io.formats.native._manifest import (
    CLASSES,
    MANIFEST,
    TENSORS,
    check_state,
    read_arrays,
    read_manifest,
)


def matches(source):
    """Return True if a source holds a dictionary in the native format."""
    return MANIFEST in source


def read(source):
    """Return the dictionary in a folder without running any code from it.

    Parameters
    ----------
    source : Source
        Folder written by `write`.

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
    # On the hub, this downloads the file.
    source.optional(TENSORS, Path.stat)
    arrays = read_arrays(folder, manifest["sha256"])
    fitted = manifest["fitted"]
    check_state(manifest["class"], fitted, arrays, repr(str(folder)))
    dictionary = CLASSES[manifest["class"]]().set_params(**manifest["params"])
    if "feature_names_in_" in fitted:
        fitted["feature_names_in_"] = np.array(fitted["feature_names_in_"], dtype=object)
    vars(dictionary).update(fitted, **arrays, metadata_=manifest["metadata"])
    return dictionary
