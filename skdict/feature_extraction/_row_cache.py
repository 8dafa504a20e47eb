"""Cache the rows of texts on disk, so that no text goes through the model twice."""

import hashlib
import io
import os
import uuid
import warnings
from pathlib import Path

import numpy as np

from skdict._files import read_bytes
from skdict.models import NotHashedError, file_stamp, fingerprint

CHECKSUM_BYTES = 32
MOST_WIDE = 2**20


def open_row_cache(folder, model, dtype):
    """Return the row cache for a model in its current state.

    Parameters
    ----------
    folder : str or path
        Folder for the files; created if necessary.
    model : Module
        Model that produces the rows.
    dtype : str
        Dtype of the rows.

    Returns
    -------
    RowCache or None
        The cache; None, with a warning, if part of the model's state cannot be hashed.

    Raises
    ------
    OSError
        If the folder cannot be created.
    """
    try:
        source = fingerprint(model)
    except NotHashedError as reason:
        warnings.warn(
            f"cache_dir={str(folder)!r} is not used: {reason}, so cached rows may not match the "
            f"model in its current state",
            stacklevel=5,
        )
        return None
    return RowCache(folder, source, dtype)


def model_state(model):
    """Return a value that identifies the model of an extractor, for caches keyed by its pickle.

    Parameters
    ----------
    model : str, path, (Module, tokenizer) or None
        Parameter `model` of an extractor.

    Returns
    -------
    object
        Hash of a loaded pair; names, times and sizes of the files of a path; None for a name on
        the hub. A pair that cannot be hashed gets a new value on every call, so that nothing
        cached under it is ever found.
    """
    if isinstance(model, tuple) and len(model) == 2 and hasattr(model[0], "named_modules"):
        try:
            return fingerprint(*model)
        except NotHashedError:
            return uuid.uuid4().hex
    return file_stamp(model) if isinstance(model, (str, Path)) else None


class RowCache:
    """Folder with one file of rows for each text and hook point.

    Each file is named by a hash of everything that determines its rows: model, hook point,
    dtype, the tokens that the model reads, and which of them yield a row. A file is therefore
    never stale. Files are written under a temporary name and renamed, so none is ever
    incomplete and several processes can share the folder. A file holds an array in `np.save`
    format followed by a checksum; it is treated as missing unless checksum, shape, dtype and
    values are valid.

    Parameters
    ----------
    folder : str or path
        Folder for the files; created if necessary.
    source : str
        `skdict.models.fingerprint` of the model.
    dtype : str
        Dtype of the rows.

    Raises
    ------
    OSError
        If the folder cannot be created.
    """

    def __init__(self, folder, source, dtype):
        self._folder, self._source, self._dtype = Path(folder), source, np.dtype(dtype)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._explained(error) from error

    def load(self, windows, hook_point):
        """Return the rows of a text at a hook point, or None if there is no valid file.

        Parameters
        ----------
        windows : list of Window
            Windows of the text.
        hook_point : str
            Name of the hook point.

        Returns
        -------
        ndarray of shape (n_rows, width) or None
            Rows of the text.
        """
        key = self._key(windows, hook_point)
        n_rows = sum(len(window.kept) for window in windows)
        most = n_rows * MOST_WIDE * self._dtype.itemsize
        try:
            return self._sound(read_bytes(self._path(key), most=most), key, n_rows)
        except (OSError, ValueError):
            return None

    def store(self, windows, hook_point, rows):
        """Write the rows of a text.

        Parameters
        ----------
        windows : list of Window
            Windows of the text.
        hook_point : str
            Name of the hook point.
        rows : ndarray of shape (n_rows, width)
            Rows of the text.

        Raises
        ------
        OSError
            If they cannot be written; the message names the folder.
        """
        key = self._key(windows, hook_point)
        path, content = self._path(key), io.BytesIO()
        np.save(content, np.ascontiguousarray(rows, dtype=self._dtype), allow_pickle=False)
        beside = path.with_suffix(f".{uuid.uuid4().hex}.part")
        try:
            path.parent.mkdir(exist_ok=True)
            beside.write_bytes(content.getvalue() + _checksum(key, content.getvalue()))
            os.replace(beside, path)
        except OSError as error:
            raise self._explained(error) from error
        finally:
            _remove(beside)

    def check_writable(self):
        """Raise OSError if the folder cannot be written to, before the model runs."""
        probe = self._folder / f".{uuid.uuid4().hex}.part"
        try:
            probe.write_bytes(bytes(CHECKSUM_BYTES))
        except OSError as error:
            raise self._explained(error) from error
        finally:
            _remove(probe)

    def _sound(self, content, key, n_rows):
        """Return the rows in a file, or None if any check of its content fails."""
        content, checksum = content[:-CHECKSUM_BYTES], content[-CHECKSUM_BYTES:]
        if checksum != _checksum(key, content):
            return None
        rows = np.load(io.BytesIO(content), allow_pickle=False)
        sound = rows.ndim == 2 and len(rows) == n_rows and rows.dtype == self._dtype
        return rows if sound and np.isfinite(rows).all() else None

    def _key(self, windows, hook_point):
        digest = hashlib.sha256(f"{self._source} {self._dtype} {hook_point}".encode())
        for window in windows:
            for part in (window.ids, window.kept):
                digest.update(b"%d:" % len(part) + np.asarray(part, dtype="<i8").tobytes())
        return digest.hexdigest()

    def _path(self, key):
        return self._folder / key[:2] / f"{key}.npy"

    def _explained(self, error):
        return OSError(
            f"cache_dir={str(self._folder)!r} could not be written ({error}); free disk space, "
            f"choose another folder, or leave cache_dir=None"
        )


def _checksum(key, content):
    # The key is part of the checksum, so that a renamed file is not accepted.
    return hashlib.sha256(key.encode() + content).digest()


def _remove(path):
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # If the folder is not writable or not a folder, there is no file to remove.
        pass
