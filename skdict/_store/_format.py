"""The format of a store: its manifest and the files of a shard."""

import hashlib
import json
from pathlib import Path

import numpy as np

from skdict._files import SHA256, hash_ends, hash_file, read_sealed, replace_file, sealed

MANIFEST = "activations.json"
FORMAT, VERSION = "skdict.activations", 3
COLUMNS = ("documents", "positions", "token_ids")
FILES = ("rows.npy", *(f"{name}.npy" for name in COLUMNS))
DTYPES = ("float16", "float32", "float64")
# Listed only by stores whose vocabulary has vectors.
OPTIONAL = {"vectors_sha256"}
SHARD_KEYS = {"name", "n_rows", "next_document", "sha256", "rows_ends"}


def shard_name(number):
    """Return the name of a shard's folder."""
    return f"{number:05d}"


def write_shard(folder, rows, columns):
    """Write the arrays of a shard to a folder and return its description for the manifest."""
    np.save(folder / "rows.npy", np.ascontiguousarray(rows), allow_pickle=False)
    for name in COLUMNS:
        column = columns[name]
        small = np.can_cast(np.min_scalar_type(_largest(column)), np.int32)
        column = column.astype(np.int32) if small else column
        np.save(folder / f"{name}.npy", column, allow_pickle=False)
    return {
        "n_rows": len(rows),
        "sha256": {name: hash_file(folder / name) for name in FILES},
        "rows_ends": hash_ends(folder / "rows.npy"),
    }


def new_manifest(*, complete, source=None):
    """Return the manifest of a store without shards."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "complete": complete,
        "dtype": None,
        "width": None,
        "shards": [],
        "source": source,
        "metadata": {},
        "vocabulary": None,
    }


def write_manifest(folder, manifest):
    """Replace the manifest of a store atomically."""
    replace_file(Path(folder) / MANIFEST, sealed(manifest))


def read_manifest(folder):
    """Read and check the manifest of a store, finished or not.

    Raises
    ------
    FileNotFoundError
        If the folder has no manifest.
    ValueError
        If the manifest is not JSON, has another format or version, was changed after it was
        written, or has missing, unknown or invalid entries.
    """
    path = Path(folder) / MANIFEST
    try:
        manifest = read_sealed(path, FORMAT, VERSION)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f"{str(folder)!r} has no {MANIFEST}; pass a folder written by Activations.save"
        ) from error
    wrong = (set(manifest) - OPTIONAL) ^ set(new_manifest(complete=True)) or {
        name for name, value in manifest.items() if not _RULES[name](value, manifest)
    }
    if wrong:
        raise ValueError(
            f"{str(path)!r} has a missing, unknown or invalid entry {min(wrong)!r}; write the "
            f"store again"
        )
    return manifest


def store_digest(folder):
    """Return a hash of all rows and tokens of a store.

    Stores with equal digests hold equal rows in equal shards, whether or not writing them was
    interrupted. Vectors of the vocabulary do not count: they derive from the model, and their last
    bits can differ between machines. The digest is computed from the manifest only; use
    ``Activations.load(folder, verify=True)`` to check the files against it.

    Parameters
    ----------
    folder : str or path
        Finished store, written by `Activations.save` or `ActivationsWriter`.

    Returns
    -------
    str
        SHA-256 as 64 hexadecimal digits.

    Raises
    ------
    FileNotFoundError
        If the folder is not a store.
    ValueError
        If the manifest is damaged or of another version, or the store is unfinished.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from skdict.activations import Activations
    >>> from skdict._store import store_digest
    >>> acts = Activations(np.eye(2), documents=[0, 0], positions=[0, 1], token_ids=[7, 9])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     acts.save(folder + "/a")
    ...     acts.save(folder + "/b")
    ...     store_digest(folder + "/a") == store_digest(folder + "/b")
    True
    """
    manifest = read_manifest(folder)
    check_complete(folder, manifest)
    return manifest_digest(manifest)


def manifest_digest(manifest):
    """Return the `store_digest` of the store that a manifest describes."""
    shards = [[s["n_rows"], [s["sha256"][name] for name in FILES]] for s in manifest["shards"]]
    content = [manifest["dtype"], manifest["width"], manifest["vocabulary"], shards]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def is_finished(folder, source):
    """Return True if a folder is a finished store of a source; its files are not checked."""
    try:
        manifest = read_manifest(folder)
    except FileNotFoundError:
        return False
    return manifest["complete"] and manifest["source"] == json.loads(json.dumps(source))


def check_complete(folder, manifest):
    """Raise `ValueError` if the store is unfinished."""
    if not manifest["complete"]:
        n_rows = sum(shard["n_rows"] for shard in manifest["shards"])
        raise ValueError(
            f"{str(folder)!r} is unfinished, with {n_rows} rows in {len(manifest['shards'])} "
            f"shards; run the program that writes it again with the same settings to resume"
        )


def _largest(column):
    """Return the largest absolute value in a column, or 0 if it is empty."""
    return max(abs(int(column.min())), abs(int(column.max()))) if len(column) else 0


def _is_new(manifest):
    return not (manifest["shards"] or manifest["complete"])


def _is_count(value):
    return type(value) is int and 0 <= value < 2**63


def _is_hash(value):
    return isinstance(value, str) and SHA256.fullmatch(value) is not None


def _are_shards(shards, manifest):
    return isinstance(shards, list) and all(
        isinstance(shard, dict)
        and set(shard) == SHARD_KEYS
        # Accept the expected names only, because others could point outside the folder.
        and shard["name"] == shard_name(number)
        and _is_count(shard["n_rows"])
        and _is_count(shard["next_document"])
        and isinstance(shard["sha256"], dict)
        and set(shard["sha256"]) == set(FILES)
        and all(map(_is_hash, shard["sha256"].values()))
        and _is_hash(shard["rows_ends"])
        for number, shard in enumerate(shards)
    )


_RULES = {
    "format": lambda value, _: value == FORMAT,
    "version": lambda value, _: value == VERSION,
    "complete": lambda value, _: isinstance(value, bool),
    "shards": _are_shards,
    "dtype": lambda value, m: value in DTYPES or (value is None and _is_new(m)),
    "width": lambda value, m: _is_count(value) or (value is None and _is_new(m)),
    "metadata": lambda value, _: isinstance(value, dict),
    "source": lambda value, _: value is None or isinstance(value, dict),
    "vocabulary": lambda value, _: (
        value is None or (isinstance(value, list) and {*map(type, value)} <= {str})
    ),
    "vectors_sha256": lambda value, m: _is_hash(value) and m["vocabulary"] is not None,
}
