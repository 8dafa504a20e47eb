"""The file of a store with the vectors of its vocabulary."""

import io

import numpy as np

from skdict._files import hash_file, map_array, replace_file

VECTORS = "token_vectors.npy"
# Largest difference between two computations of the same vectors, which have unit norm: two steps
# of float16.
ROUNDING = 2**-9


def write_vectors(folder, vocabulary):
    """Write the vectors of a vocabulary atomically; return the entry of the manifest, if any."""
    vectors = _vectors_of(vocabulary)
    if vectors is None:
        return {}
    content = io.BytesIO()
    np.save(content, vectors, allow_pickle=False)
    replace_file(folder / VECTORS, content.getvalue())
    return {"vectors_sha256": hash_file(folder / VECTORS)}


def read_vectors(folder, manifest):
    """Return the vectors that a manifest lists, or None if it lists none.

    Raises
    ------
    FileNotFoundError
        If the file is missing.
    ValueError
        If the file is damaged or belongs to another store.
    """
    digest = manifest.get("vectors_sha256")
    if digest is None:
        return None
    path = folder / VECTORS
    try:
        # Copied, so that a vocabulary does not change if the file does.
        vectors = np.array(map_array(path))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{str(path)!r} is missing, but the manifest of the store lists it; restore the file, "
            f"or write the store again"
        ) from error
    if hash_file(path) != digest:
        raise ValueError(
            f"{str(path)!r} does not match the hash in the manifest: it was changed, or comes from "
            f"another store; restore the file, or write the store again"
        )
    return vectors


def has_same_vectors(folder, manifest, vocabulary):
    """Return True if the vectors of a store and a vocabulary agree to rounding, or neither has any.

    The last bits can differ if a store is resumed on another machine.
    """
    stored, new = read_vectors(folder, manifest), _vectors_of(vocabulary)
    if stored is None or new is None:
        return stored is new
    return stored.shape == new.shape and bool(
        (np.abs(stored.astype(np.float32) - new) <= ROUNDING).all()
    )


def _vectors_of(vocabulary):
    return getattr(vocabulary, "vectors", None)
