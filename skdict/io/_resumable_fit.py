"""Fit that can be interrupted and resumed."""

import json
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from skdict._core import ALONE, agreed, check_same
from skdict._files import (
    check_replaceable,
    clear_leftovers,
    locked,
    parse_json,
    read_tensors,
    replace_file,
)
from skdict._validation import as_rows, check_targets
from skdict.decomposition import (
    Observer,
    SparseDictionaryAutoencoder,
    SparseTranscoder,
    check_autoencoder_params,
    fit_autoencoder,
    group_of,
    is_part,
    is_transcoder,
)
from skdict.io._dictionary import save_dictionary
from skdict.io._fit_identity import fit_identity, sha256_of
from skdict.io.formats.native import MARKER

FORMAT, VERSION = "skdict.checkpoint", "2"


def fit_resumable(estimator, X, folder, *, y=None, metadata=None):
    """Fit a dictionary with a checkpoint after each epoch, and save it to a folder.

    If the process is interrupted, the same call resumes after the last complete epoch. On one CPU,
    the dictionary is bit-identical to that of an uninterrupted fit. The checkpoint is a safetensors
    file next to the folder, ``<folder>.checkpoint.safetensors``. It is replaced atomically after
    each epoch and removed once the dictionary is saved.

    With `shard` in a process group, all processes call this function. The first one writes the
    checkpoint, with the state of the whole dictionary, and an interrupted fit can be resumed with
    another number of processes.

    Parameters
    ----------
    estimator : SparseDictionaryAutoencoder or SparseTranscoder
        Estimator to fit in place. Its `random_state` must be an integer or None. An `activation`
        given as an object is identified by its class and attributes, which must be
        JSON-serialisable.
    X : array-like of shape (n_samples, n_features)
        Activations to fit, read one extra time to compute their hash.
    folder : str or path
        Folder for the fitted dictionary, see `save_dictionary`.
    y : array-like of shape (n_samples, n_targets), optional
        Targets of a `SparseTranscoder`, read one extra time as well.
    metadata : dict, optional
        Origin of the activations, see `save_dictionary`.

    Returns
    -------
    SparseDictionaryAutoencoder or SparseTranscoder
        The fitted estimator.

    Raises
    ------
    ValueError
        If `fit` would raise it, y is given for an autoencoder, or the checkpoint is damaged or
        belongs to other parameters or rows; the message lists the differences. Parameters that do
        not affect what is learned (`device`, `verbose`, `sparse_output`) may differ.
    TypeError
        If `fit` would raise it, the estimator is of another class, its `random_state` is a
        generator, or `metadata` or the attributes of `activation` are not JSON-serialisable.
    FileExistsError
        If the folder holds something other than a dictionary, or another process is writing to
        it.
    OSError
        If the checkpoint or the dictionary cannot be written.
    RuntimeError, ConnectionError
        If another process of the group fails or cannot be reached.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> from skdict import SparseDictionaryAutoencoder
    >>> from skdict.io import fit_resumable, load_dictionary
    >>> X = np.random.default_rng(0).standard_normal((100, 4))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sae = SparseDictionaryAutoencoder(8, max_iter=2, random_state=0)
    ...     sae = fit_resumable(sae, X, folder + "/sae")
    ...     load_dictionary(folder + "/sae").n_iter_
    2
    """
    _check_estimator(estimator)
    folder, rows = Path(folder), as_rows(X)
    if is_transcoder(estimator):
        y = check_targets(rows, y, type(estimator).__name__)
    elif y is not None:
        raise ValueError("y is given, but an autoencoder has no targets; pass a SparseTranscoder")
    metadata = json.loads(json.dumps(metadata or {}))
    group = group_of(estimator)
    with ExitStack() as stack:
        with agreed(group):
            identity = fit_identity(estimator, rows, y)
            if group.rank == 0:
                stack.enter_context(_cleared(folder))
        checkpoint = Checkpoint(checkpoint_path(folder), identity, group)
        check_same(group, checkpoint.identity)
        fit_autoencoder(estimator, X, [checkpoint], y=y)
        with nullcontext() if is_part(estimator) else agreed(group):
            save_dictionary(estimator, folder, metadata=metadata)
        checkpoint.remove()
    return estimator


@contextmanager
def _cleared(folder):
    """Hold the lock of a folder, and remove what interrupted processes left beside it."""
    with locked(folder) as lock:
        check_replaceable(folder, MARKER, "a saved dictionary")
        path = checkpoint_path(folder)
        clear_leftovers(path.parent, path.name, holds_lock=lock.by_kernel)
        yield


def _check_estimator(estimator):
    """Raise an error if an estimator cannot be resumed, or its parameters are not valid."""
    if type(estimator) not in (SparseDictionaryAutoencoder, SparseTranscoder):
        raise TypeError(
            f"{type(estimator).__name__} cannot be resumed because it has no epochs; pass a "
            f"SparseDictionaryAutoencoder or a SparseTranscoder"
        )
    if not isinstance(estimator.random_state, (int, np.integer, type(None))):
        raise TypeError(
            f"random_state={estimator.random_state!r} cannot be compared with that of a "
            f"checkpoint; pass a whole number"
        )
    check_autoencoder_params(estimator)


def checkpoint_path(folder):
    """Return the path of the checkpoint for a fit that writes to a folder."""
    folder = Path(folder).resolve()
    return folder.with_name(f"{folder.name}.checkpoint.safetensors")


class Checkpoint(Observer):
    """Observer that resumes a fit from a file and saves its state there after each epoch.

    Parameters
    ----------
    path : pathlib.Path
        Checkpoint file, which need not exist.
    identity : dict
        Values that must be equal for a fit to be resumed; must be JSON-serialisable.
    group : Alone or Group, optional
        Processes that fit together; only the first one reads and writes.
    """

    def __init__(self, path, identity, group=ALONE):
        self._path, self.identity = path, json.loads(json.dumps(identity))
        self._group = group

    def before_fit(self, fit):
        """Resume the fit if there is a checkpoint."""
        with agreed(self._group):
            earlier = self._load() if self._group.rank == 0 else None
        if self._group.total(int(earlier is not None)):
            fit.restore(*(earlier or ({}, None)))

    def after_epoch(self, fit):
        """Replace the checkpoint with the current state of the fit."""
        arrays, plain = fit.state()
        with agreed(self._group):
            if self._group.rank == 0:
                self._save(arrays, plain)

    def _save(self, arrays, plain):
        texts = {"identity": json.dumps(self.identity), "plain": json.dumps(plain)}
        texts |= {"format": FORMAT, "version": VERSION}
        texts["sha256"] = sha256_of(arrays, texts)
        replace_file(self._path, save(arrays, metadata=texts))

    def _load(self):
        """Return the arrays and plain values of the checkpoint, or None if there is none."""
        try:
            file = read_tensors(self._path)
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(f"the checkpoint {error}, or remove it to start over") from error
        texts, arrays = file.metadata, file.arrays
        found = texts.get("format"), texts.get("version")
        if found != (FORMAT, VERSION):
            self._refuse(
                f"has format {found[0]!r}, version {found[1]!r} but {FORMAT!r}, version "
                f"{VERSION!r} is expected; use the skdict version that wrote it"
            )
        if texts.pop("sha256", None) != sha256_of(arrays, texts):
            self._refuse("was changed after it was written; restore the original")
        self._check_identity(parse_json(texts["identity"], f"the identity in {self._path}"))
        # The history of a diverged fit contains non-finite numbers.
        return arrays, parse_json(texts["plain"], f"the state in {self._path}", finite=False)

    def remove(self):
        """Remove the checkpoint."""
        if self._group.rank == 0:
            self._path.unlink(missing_ok=True)

    def _check_identity(self, there):
        now = self.identity
        differing = [key for key in now | there if there.get(key) != now.get(key)]
        if differing:
            told = ", ".join(
                f"{k} is {there.get(k)!r} there and {now.get(k)!r} now" for k in differing
            )
            self._refuse(f"belongs to another fit: {told}; use the settings of the checkpoint")

    def _refuse(self, what):
        raise ValueError(f"the checkpoint {str(self._path)!r} {what}, or remove it to start over")
