"""Write a store, all at once or shard by shard."""

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from skdict._files import (
    Lock,
    clear_leftovers,
    link_folder,
    name_beside,
    sealed,
    settle,
    whole_folder,
)
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
from skdict._store._reading import open_store
from skdict._store._vectors import (
    VECTORS,
    has_same_vectors,
    write_vectors,
)

SHARD_BYTES = 256 * 2**20
# Entries of the manifest in which all shards agree.
DESCRIPTION = ("dtype", "width", "metadata", "vocabulary")


def write_whole(activations, folder):
    """Write activations to a new store, which appears under its name only when complete."""
    check_order(activations.documents, activations.positions)
    n_rows, width = activations.shape
    manifest = new_manifest(complete=True) | _description(activations)
    # Raises for metadata that cannot be stored, before anything is written.
    sealed(manifest)
    step = max(1, SHARD_BYTES // max(1, width * activations.dtype.itemsize))
    with whole_folder(folder, MANIFEST, "a store of activations") as beside:
        manifest |= write_vectors(beside, activations.vocabulary)
        for start in range(0, max(n_rows, 1), step):
            part = activations[start : start + step]
            name = shard_name(len(manifest["shards"]))
            (beside / name).mkdir()
            manifest["shards"].append(_write(beside / name, name, part))
        write_manifest(beside, manifest)


class ActivationsWriter:
    """Write a store of activations shard by shard, or resume an interrupted one.

    A shard becomes part of the store once it is completely on disk. If the process ends before
    `finish`, the store cannot be loaded, but a writer opened with the same folder and source
    resumes after the last shard. Use the writer as a context manager; leaving the block closes the
    store without finishing it.

    Parameters
    ----------
    folder : str or path
        Folder of the store, new or to be resumed.
    source : dict, optional
        Everything that determines the rows, such as model, texts and options. Must be JSON
        serialisable.

    Attributes
    ----------
    complete : bool
        True if the store is finished.
    n_rows : int
        Number of rows written.
    next_document : int
        First document that is not yet written, from which to resume.

    Raises
    ------
    ValueError
        If the folder holds a store with another source; the message lists the differences.
    FileExistsError
        If the folder exists and is not a store, or another process is writing to it.

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
        """True if the store is finished."""
        return self._manifest["complete"]

    @property
    def n_rows(self):
        """Number of rows written."""
        return sum(shard["n_rows"] for shard in self._manifest["shards"])

    @property
    def next_document(self):
        """First document that is not yet written."""
        return max((shard["next_document"] for shard in self._manifest["shards"]), default=0)

    def append(self, activations, *, next_document=None):
        """Write one shard.

        Parameters
        ----------
        activations : Activations of shape (n_tokens, width)
            Rows of the next documents. If the process ends, at most one shard of work is lost.
            Without rows, nothing is written.
        next_document : int, optional
            Document to resume from after this shard; by default the one after its last document.
            Pass a larger number if the documents that follow give no rows.

        Raises
        ------
        ValueError
            If the store is finished; if width, dtype, vocabulary or metadata differ from those of
            the earlier shards, or the vectors of the vocabulary by more than rounding; if
            documents are already written; or if the rows are not ordered by document and position.
        OSError
            If the shard cannot be written; the earlier shards are kept.
        """
        if len(activations) == 0:
            return
        check_order(activations.documents, activations.positions)
        manifest = self._manifest | _description(activations)
        self._check_follows(activations, manifest)
        name = shard_name(len(self._manifest["shards"]))
        beside = name_beside(self._folder / name, "part")
        try:
            if not manifest["shards"]:
                manifest |= write_vectors(self._folder, activations.vocabulary)
            beside.mkdir()
            shard = _write(beside, name, activations)
            shard["next_document"] = max(shard["next_document"], next_document or 0)
            beside.rename(self._folder / name)
            manifest["shards"] = [*self._manifest["shards"], shard]
            write_manifest(self._folder, manifest)
        except OSError as error:
            self._clear()
            raise OSError(
                f"a shard of {str(self._folder)!r} could not be written ({error}), but its "
                f"{self.n_rows} earlier rows are kept; free disk space and run again to resume"
            ) from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        self._manifest = manifest

    def adopt(self, folder):
        """Append the shards of another finished store, without copying its files if possible.

        The other store is left as it is, and can be removed afterwards.

        Parameters
        ----------
        folder : path
            Finished store with the next documents, on the same file system.

        Raises
        ------
        ValueError
            See `append`; or if the other store is unfinished or damaged.
        OSError
            If the shards cannot be linked or copied.
        """
        content, _, _ = open_store(Path(folder), verify=False)
        manifest, vocabulary = read_manifest(folder), content["vocabulary"]
        other = SimpleNamespace(vocabulary=vocabulary, documents=content["documents"])
        self._check_follows(other, manifest)
        new = self._manifest | {key: manifest[key] for key in DESCRIPTION}
        if not new["shards"]:
            new |= write_vectors(self._folder, vocabulary)
        for shard in manifest["shards"]:
            name = shard_name(len(new["shards"]))
            link_folder(Path(folder) / shard["name"], self._folder / name)
            new["shards"] = [*new["shards"], shard | {"name": name}]
        write_manifest(self._folder, new)
        self._manifest = new

    def finish(self):
        """Mark the store as finished, so that it can be loaded.

        Raises
        ------
        ValueError
            If no rows were written.
        """
        if not self._manifest["shards"]:
            raise ValueError(
                f"{str(self._folder)!r} has no rows; append activations before finishing the store"
            )
        manifest = self._manifest | {"complete": True}
        write_manifest(self._folder, manifest)
        self._manifest = manifest

    def close(self):
        """Release the store, so that other processes can write to it."""
        self._lock.close()

    def _open(self, source):
        """Create the store, or resume one with the same source."""
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
            raise ValueError(
                f"{str(self._folder)!r} is finished and accepts no more rows; write to another "
                f"folder"
            )
        if not old["shards"]:
            return
        for key in DESCRIPTION:
            if new[key] != old[key]:
                shown = "" if key == "vocabulary" else f" ({new[key]}, not {old[key]})"
                raise ValueError(
                    f"the {key} of these activations differs from that of the earlier "
                    f"shards{shown}; write them to another folder"
                )
        if not has_same_vectors(self._folder, old, activations.vocabulary):
            raise ValueError(
                "the vectors of the vocabulary of these activations differ from those of the "
                "earlier shards; extract with the same model, or write to another folder"
            )
        if activations.documents[0] < self.next_document:
            raise ValueError(
                f"these activations begin with document {activations.documents[0]}, but documents "
                f"up to {self.next_document - 1} are already written; append documents in order"
            )

    def _clear(self):
        """Remove files that the manifest does not list, left by interrupted writing."""
        self._manifest = read_manifest(self._folder)
        listed = {shard["name"] for shard in self._manifest["shards"]}
        for path in self._folder.iterdir():
            if re.fullmatch(r"\d{5,}", path.name) and path.name not in listed:
                shutil.rmtree(path)
        if "vectors_sha256" not in self._manifest:
            (self._folder / VECTORS).unlink(missing_ok=True)
        clear_leftovers(self._folder, holds_lock=self._lock.by_kernel)


def _write(folder, name, activations):
    """Write a shard to its folder and return its entry in the manifest."""
    columns = {key: np.asarray(getattr(activations, key)) for key in COLUMNS}
    entry = write_shard(folder, np.asarray(activations, activations.dtype.name), columns)
    documents = columns["documents"]
    return {"name": name, "next_document": int(documents[-1]) + 1 if len(documents) else 0} | entry


def _description(activations):
    vocabulary = activations.vocabulary
    if activations.dtype.name not in DTYPES:
        raise TypeError(
            f"rows of {activations.dtype} cannot be stored; convert them to one of "
            f"{', '.join(DTYPES)}"
        )
    return {
        "dtype": activations.dtype.name,
        "width": activations.shape[1],
        "metadata": activations.metadata,
        "vocabulary": None if vocabulary is None else list(vocabulary),
    }


def _refuse_other_content(folder):
    """Raise `FileExistsError` if the path exists and is neither a store nor an empty folder."""
    if not folder.exists() or (folder / MANIFEST).is_file():
        return
    if not folder.is_dir() or any(not path.name.startswith(".") for path in folder.iterdir()):
        raise FileExistsError(
            f"{str(folder)!r} exists and is not a store of activations; choose another folder"
        )


def _check_source(folder, there, now):
    differing = [key for key in sorted(there | now) if there.get(key) != now.get(key)]
    if differing:
        told = ", ".join(f"{k} was {there.get(k)!r} and is now {now.get(k)!r}" for k in differing)
        raise ValueError(
            f"{str(folder)!r} holds activations from another source: {told}; choose another "
            f"folder, or remove this one"
        )
