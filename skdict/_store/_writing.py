"""Writing a store, at once or shard by shard."""

import json
import re
import shutil
from pathlib import Path

import numpy as np

from skdict._files import Lock, clear_leftovers, name_beside, sealed, settle, whole_folder
from skdict._store._format import (
    COLUMNS,
    DTYPES,
    MANIFEST,
    new_manifest,
    read_manifest,
    shard_name,
    write_manifest,
    write_shard,
)
from skdict._store._order import check_order

SHARD_BYTES = 256 * 2**20


def write_whole(activations, folder):
    """Write all rows of activations to a folder that takes its name when all is written."""
    check_order(activations.documents, activations.positions)
    n_rows, width = activations.shape
    manifest = new_manifest(complete=True) | _description(activations)
    # Found out here, before anything is written.
    sealed(manifest)
    step = max(1, SHARD_BYTES // max(1, width * activations.dtype.itemsize))
    with whole_folder(folder, MANIFEST, "a store of activations") as beside:
        for start in range(0, max(n_rows, 1), step):
            part = activations[start : start + step]
            name = shard_name(len(manifest["shards"]))
            (beside / name).mkdir()
            manifest["shards"].append(_write(beside / name, name, part))
        write_manifest(beside, manifest)


class ActivationsWriter:
    """Write a store of activations shard by shard, and go on with one that was interrupted.

    Each shard counts from the moment it is whole on disk. If the process ends before `finish`,
    the store cannot be loaded, but a writer opened on it with the same source goes on after
    the last whole shard. Use it as a context manager: leaving the block closes the store
    without finishing it.

    Parameters
    ----------
    folder : str or path
        Where the store is, or is to be.
    source : dict, optional
        What the rows follow from: model, texts, options; must fit in JSON.

    Attributes
    ----------
    complete : bool
        Whether the store is finished.
    n_rows : int
        Rows written.
    next_document : int
        The document after the last one written: where to go on.

    Raises
    ------
    ValueError
        If there is a store with another source; the message says what differs.
    FileExistsError
        If the folder holds something else, or another process writes this store.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from skdict.activations import Activations, ActivationsWriter
    >>> def text(number):
    ...     return Activations(np.full((3, 2), number, "f"), documents=[number] * 3,
    ...                        positions=[0, 1, 2], token_ids=[5, 6, 7])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with ActivationsWriter(folder, source={"texts": "t.txt"}) as writer:
    ...         writer.append(text(0))
    ...     with ActivationsWriter(folder, source={"texts": "t.txt"}) as writer:
    ...         for number in range(writer.next_document, 3):
    ...             writer.append(text(number))
    ...         writer.finish()
    ...     Activations.load(folder).shape
    (9, 2)
    """

    def __init__(self, folder, *, source=None):
        self._folder = Path(folder).resolve()
        source = json.loads(json.dumps(source or {}))
        self._lock = Lock(self._folder)
        try:
            settle(self._folder, self._lock)
            self._open(source)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    @property
    def complete(self):
        """Whether the store is finished."""
        return self._manifest["complete"]

    @property
    def n_rows(self):
        """Rows written."""
        return sum(shard["n_rows"] for shard in self._manifest["shards"])

    @property
    def next_document(self):
        """The document after the last one written."""
        return max((shard["next_document"] for shard in self._manifest["shards"]), default=0)

    def append(self, activations, *, next_document=None):
        """Write one shard.

        Parameters
        ----------
        activations : Activations of shape (n_tokens, width)
            The rows of the next documents: as many as are to be lost at most when the process
            dies. No row writes nothing.
        next_document : int, optional
            Where to go on after this shard; by default after its last document. Later ones
            tell of documents that gave no row.

        Raises
        ------
        ValueError
            If the store is finished, or the activations do not follow on those before: in
            width, dtype, vocabulary, metadata or order of documents; if they are a view in another
            order than by document and position.
        OSError
            If they cannot be written; the shards before are kept.
        """
        if len(activations) == 0:
            return
        check_order(activations.documents, activations.positions)
        manifest = self._manifest | _description(activations)
        self._check_follows(activations, manifest)
        name = shard_name(len(self._manifest["shards"]))
        beside = name_beside(self._folder / name, "part")
        try:
            beside.mkdir()
            shard = _write(beside, name, activations)
            shard["next_document"] = max(shard["next_document"], next_document or 0)
            beside.rename(self._folder / name)
            manifest["shards"] = [*self._manifest["shards"], shard]
            write_manifest(self._folder, manifest)
        except OSError as error:
            self._clear()
            raise OSError(
                f"a shard of {str(self._folder)!r} could not be written ({error}); the "
                f"{self.n_rows} rows before it are kept: free disk space and start again"
            ) from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        self._manifest = manifest

    def finish(self):
        """Say that all rows are written: from now on the store can be loaded.

        Raises
        ------
        ValueError
            If no row was written.
        """
        if not self._manifest["shards"]:
            raise ValueError(f"no row was written to {str(self._folder)!r}; append some first")
        manifest = self._manifest | {"complete": True}
        write_manifest(self._folder, manifest)
        self._manifest = manifest

    def close(self):
        """Let other processes write to the store."""
        self._lock.close()

    def _open(self, source):
        """Begin the store, or resume one with the same source."""
        _refuse_other_content(self._folder)
        if (self._folder / MANIFEST).is_file():
            _check_source(self._folder, read_manifest(self._folder)["source"] or {}, source)
        else:
            self._folder.mkdir(exist_ok=True)
            write_manifest(self._folder, new_manifest(complete=False, source=source))
        self._clear()

    def _check_follows(self, activations, new):
        old = self._manifest
        if old["complete"]:
            raise ValueError(f"{str(self._folder)!r} is finished; write to another folder")
        if not old["shards"]:
            return
        for key in ("dtype", "width", "metadata", "vocabulary"):
            if new[key] != old[key]:
                shown = "" if key == "vocabulary" else f" ({new[key]} after {old[key]})"
                raise ValueError(
                    f"the {key} of these activations is not that of the shards before{shown}; "
                    f"write them to another folder"
                )
        if activations.documents[0] < self.next_document:
            raise ValueError(
                f"these activations begin with document {activations.documents[0]}, and those "
                f"before {self.next_document} are written; append documents in order"
            )

    def _clear(self):
        """Remove what the manifest on disk does not list: what interrupted writing left."""
        self._manifest = read_manifest(self._folder)
        listed = {shard["name"] for shard in self._manifest["shards"]}
        for path in self._folder.iterdir():
            if re.fullmatch(r"\d{5,}", path.name) and path.name not in listed:
                shutil.rmtree(path)
        clear_leftovers(self._folder, holds_lock=self._lock.by_kernel)


def _write(folder, name, activations):
    """Write a shard into its folder and return its entry in the manifest."""
    columns = {key: np.asarray(getattr(activations, key)) for key in COLUMNS}
    entry = write_shard(folder, np.asarray(activations, activations.dtype.name), columns)
    documents = columns["documents"]
    return {"name": name, "next_document": int(documents[-1]) + 1 if len(documents) else 0} | entry


def _description(activations):
    vocabulary = activations.vocabulary
    if activations.dtype.name not in DTYPES:
        raise TypeError(f"rows of {activations.dtype} cannot be stored; pass {', '.join(DTYPES)}")
    return {
        "dtype": activations.dtype.name,
        "width": activations.shape[1],
        "metadata": activations.metadata,
        "vocabulary": None if vocabulary is None else list(vocabulary),
    }


def _refuse_other_content(folder):
    """Refuse a folder, or a file, that is there and is no store."""
    if not folder.exists() or (folder / MANIFEST).is_file():
        return
    if not folder.is_dir() or any(not path.name.startswith(".") for path in folder.iterdir()):
        raise FileExistsError(
            f"{str(folder)!r} exists and is not a store of activations; choose another folder"
        )


def _check_source(folder, there, now):
    differing = [key for key in sorted(there | now) if there.get(key) != now.get(key)]
    if differing:
        told = ", ".join(f"{k} is {there.get(k)!r} there and {now.get(k)!r} now" for k in differing)
        raise ValueError(
            f"{str(folder)!r} holds activations from another source: {told}; choose another "
            f"folder, or remove this one"
        )
