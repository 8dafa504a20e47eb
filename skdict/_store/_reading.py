"""Open a store, checking every file before any row is used."""

import numpy as np

from skdict._files import hash_ends, hash_file, map_array
from skdict._store._format import (
    COLUMNS,
    FILES,
    check_complete,
    manifest_digest,
    read_manifest,
)
from skdict._store._sharded_rows import ShardedRows
from skdict._store._vectors import VECTORS, read_vectors
from skdict._vocabulary import Vocabulary


def open_store(folder, *, verify):
    """Return the content, the metadata and the digest of a store, with its rows memory-mapped.

    The sizes, shapes and dtypes of all files and the hashes of the token table, of the vectors of
    the vocabulary and of both ends of the rows are always checked; `verify` adds the hashes of all
    rows.

    Parameters
    ----------
    folder : pathlib.Path
        Folder of the finished store.
    verify : bool
        If True, read all rows once and compare them with their hashes.

    Returns
    -------
    content : dict
        The `rows`, ShardedRows of shape (n, d); the columns `documents`, `positions` and
        `token_ids`, ndarrays of shape (n,); and the `vocabulary`, a Vocabulary or None.
    metadata : dict
        Provenance of the rows.
    digest : str
        The `store_digest`.
    """
    manifest = read_manifest(folder)
    check_complete(folder, manifest)
    shards = manifest["shards"]
    columns = {name: [] for name in COLUMNS}
    for shard in shards:
        arrays = {name: _open(folder, shard, name) for name in FILES}
        _check_shapes(folder, shard, arrays, manifest)
        _check_hashes(folder, shard, verify)
        for name in COLUMNS:
            columns[name].append(arrays[f"{name}.npy"])
    rows = ShardedRows(
        [folder / shard["name"] / "rows.npy" for shard in shards],
        [shard["n_rows"] for shard in shards],
        manifest["width"],
        manifest["dtype"],
    )
    columns = {name: _join(parts) for name, parts in columns.items()}
    content = {"rows": rows, **columns, "vocabulary": _vocabulary(folder, manifest)}
    return content, manifest["metadata"], manifest_digest(manifest)


def _vocabulary(folder, manifest):
    pieces, vectors = manifest["vocabulary"], read_vectors(folder, manifest)
    if vectors is None:
        return None if pieces is None else Vocabulary(pieces)
    if vectors.dtype != np.float16 or vectors.ndim != 2 or len(vectors) != len(pieces):
        raise ValueError(
            f"{str(folder / VECTORS)!r} has shape {vectors.shape} and dtype {vectors.dtype}, but "
            f"the manifest lists {len(pieces)} pieces, each with a row of float16; write the "
            f"store again"
        )
    return Vocabulary(pieces, vectors)


def _open(folder, shard, name):
    path = folder / shard["name"] / name
    try:
        return map_array(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"{str(path)!r} is missing, but the manifest of the store lists it; restore the file, "
            f"or write the store again"
        ) from error


def _check_shapes(folder, shard, arrays, manifest):
    n_rows = shard["n_rows"]
    for name, array in arrays.items():
        rows = name == "rows.npy"
        shape = (n_rows, manifest["width"]) if rows else (n_rows,)
        fits = array.dtype == manifest["dtype"] if rows else array.dtype.kind in "iu"
        if array.shape != shape or not fits:
            raise ValueError(
                f"{str(folder / shard['name'] / name)!r} has shape {array.shape} and dtype "
                f"{array.dtype}, but the manifest lists shape {shape}"
                f"{' and dtype ' + manifest['dtype'] if rows else ''}; write the store again"
            )


def _check_hashes(folder, shard, verify):
    for name in FILES:
        path = folder / shard["name"] / name
        if name == "rows.npy" and not verify:
            same = hash_ends(path) == shard["rows_ends"]
        else:
            same = hash_file(path) == shard["sha256"][name]
        if not same:
            raise ValueError(
                f"{str(path)!r} does not match the hash in the manifest: it was changed, or comes "
                f"from another shard or store; restore the file, or write the store again"
            )


def _join(parts):
    """Concatenate a column over shards; a single shard stays memory-mapped."""
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, np.int32)
