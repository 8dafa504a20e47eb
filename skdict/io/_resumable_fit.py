"""A fit that can be interrupted and resumed."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from skdict._files import (
    check_replaceable,
    clear_leftovers,
    locked,
    parse_json,
    read_tensors,
    replace_file,
)
from skdict._validation import as_rows
from skdict.decomposition import (
    Observer,
    SparseDictionaryAutoencoder,
    check_autoencoder_params,
    fit_autoencoder,
)
from skdict.io._dictionary import save_dictionary
from skdict.io._fit_identity import fit_identity, sha256_of
from skdict.io.formats.native import MARKER

FORMAT, VERSION = "skdict.checkpoint", "2"


def fit_resumable(estimator, X, folder, *, metadata=None):
    """Fit a dictionary with a checkpoint after each epoch, and save it to a folder.

    If the process is interrupted, the same call resumes after the last complete epoch; on one
    CPU the dictionary is bit-identical to that of an uninterrupted fit. The checkpoint is one
    safetensors file beside the folder, ``<folder>.checkpoint.safetensors``, replaced atomically
    after each epoch and removed once the dictionary is saved.

    Parameters
    ----------
    estimator : SparseDictionaryAutoencoder
        Fitted in place. Its `random_state` must be an integer or None; an `activation` given as an
        object is identified by its class and its attributes, which must fit in JSON.
    X : array-like of shape (n_samples, n_features)
        Rows, as in `fit`; they are read once more to be hashed.
    folder : str or path
        Folder for the fitted dictionary, as in `save_dictionary`.
    metadata : dict, optional
        Origin of the rows, as in `save_dictionary`.

    Returns
    -------
    SparseDictionaryAutoencoder
        The estimator itself, fitted.

    Raises
    ------
    ValueError
        As in `fit`; if there is a checkpoint of other parameters or rows (the message says what
        differs) or a damaged one. Parameters that do not change what is learned (`device`,
        `verbose`, `sparse_output`) may differ.
    TypeError
        As in `fit`; if the estimator is of another class, its `random_state` is a generator, or
        the metadata or attributes of its `activation` do not fit in JSON.
    FileExistsError
        If the folder holds something other than a dictionary, or another process is writing to it.
    OSError
        If the checkpoint or the dictionary cannot be written.

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
    if type(estimator) is not SparseDictionaryAutoencoder:
        raise TypeError(
            f"{type(estimator).__name__} has no epochs to resume from; pass a "
            f"SparseDictionaryAutoencoder"
        )
    if not isinstance(estimator.random_state, (int, np.integer, type(None))):
        raise TypeError(
            f"random_state={estimator.random_state!r} cannot be compared with that of a "
            f"checkpoint; pass a whole number"
        )
    check_autoencoder_params(estimator)
    folder = Path(folder)
    metadata = json.loads(json.dumps(metadata or {}))
    with locked(folder) as lock:
        check_replaceable(folder, MARKER, "a saved dictionary")
        path = checkpoint_path(folder)
        clear_leftovers(path.parent, path.name, holds_lock=lock.by_kernel)
        checkpoint = Checkpoint(path, fit_identity(estimator, as_rows(X)))
        fit_autoencoder(estimator, X, [checkpoint])
        save_dictionary(estimator, folder, metadata=metadata)
        checkpoint.remove()
    return estimator


def checkpoint_path(folder):
    """Return the checkpoint file of the fit that writes to a folder."""
    folder = Path(folder).resolve()
    return folder.with_name(f"{folder.name}.checkpoint.safetensors")


class Checkpoint(Observer):
    """Resumes a fit from a file, if there is one, and keeps its state there after each epoch.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    identity : dict
        What must be equal for a fit to be resumed; must fit in JSON.
    """

    def __init__(self, path, identity):
        self._path, self._identity = path, json.loads(json.dumps(identity))

    def before_fit(self, fit):
        """Resume the fit."""
        earlier = self._load()
        if earlier is not None:
            fit.restore(*earlier)

    def after_epoch(self, fit):
        """Replace the file by the state of the fit."""
        arrays, plain = fit.state()
        texts = {"identity": json.dumps(self._identity), "plain": json.dumps(plain)}
        texts |= {"format": FORMAT, "version": VERSION}
        texts["sha256"] = sha256_of(arrays, texts)
        replace_file(self._path, save(arrays, metadata=texts))

    def _load(self):
        """Return arrays and plain values, or None if there is no file."""
        try:
            file = read_tensors(self._path)
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise ValueError(f"the checkpoint {error}; or remove it to start afresh") from error
        texts, arrays = file.metadata, file.arrays
        found = texts.get("format"), texts.get("version")
        if found != (FORMAT, VERSION):
            self._refuse(
                f"has format {found[0]!r}, version {found[1]!r} where {FORMAT!r}, version "
                f"{VERSION!r} is expected; use the skdict that wrote it"
            )
        if texts.pop("sha256", None) != sha256_of(arrays, texts):
            self._refuse("was changed after it was written; put it back")
        self._check_identity(parse_json(texts["identity"], f"the identity in {self._path}"))
        # The history of a fit that diverged holds numbers that are not finite.
        return arrays, parse_json(texts["plain"], f"the state in {self._path}", finite=False)

    def remove(self):
        """Remove the file."""
        self._path.unlink(missing_ok=True)

    def _check_identity(self, there):
        now = self._identity
        differing = [key for key in now | there if there.get(key) != now.get(key)]
        if differing:
            told = ", ".join(
                f"{k} is {there.get(k)!r} there and {now.get(k)!r} now" for k in differing
            )
            self._refuse(f"is of another fit: {told}; use the settings it names")

    def _refuse(self, what):
        raise ValueError(f"the checkpoint {str(self._path)!r} {what}, or remove it to start afresh")
