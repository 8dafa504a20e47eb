"""Rows of documents on disk, so that no document is read twice."""

import hashlib
import json
import os
import uuid
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch

_fingerprints = WeakKeyDictionary()


class RowCache:
    """One file of rows for each document, place and way of reading.

    Files are named by the content of everything that their rows follow from, so none is
    ever stale, and written beside and renamed, so none is ever half; several processes may
    share a folder.

    Parameters
    ----------
    folder : str or path
        Where files are kept; made if need be.
    source : str
        `fingerprint` of model and tokenizer.
    settings : dict
        What else the rows follow from; must fit in JSON.
    """

    def __init__(self, folder, source, settings):
        self._folder = Path(folder)
        self._seed = json.dumps([source, settings], sort_keys=True)

    def path(self, text, hook_point):
        """Return the file of a document at a place."""
        content = json.dumps([self._seed, hook_point, text])
        key = hashlib.sha256(content.encode("utf-8", errors="surrogatepass")).hexdigest()
        return self._folder / key[:2] / f"{key}.npy"

    def load(self, text, hook_point):
        """Return the rows of a document, or None if they are not there or damaged."""
        try:
            return np.load(self.path(text, hook_point), allow_pickle=False)
        except (FileNotFoundError, ValueError, EOFError):
            return None

    def store(self, text, hook_point, rows):
        """Keep the rows of a document."""
        path = self.path(text, hook_point)
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{uuid.uuid4().hex}.part")
        try:
            with beside.open("wb") as file:
                np.save(file, rows, allow_pickle=False)
            os.replace(beside, path)
        finally:
            beside.unlink(missing_ok=True)


def fingerprint(model, tokenizer, *, keep):
    """Return a hash of all that model and tokenizer are: configuration, weights, vocabulary.

    Parameters
    ----------
    model : PreTrainedModel
        On any device.
    tokenizer : PreTrainedTokenizerBase
        Its tokenizer.
    keep : bool
        Whether the hash of this model object is computed once: for models that nobody else
        can change.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If weights are offloaded, so that they are not there to be hashed.
    """
    if keep and model in _fingerprints:
        return _fingerprints[model]
    config = getattr(model, "config", None)
    structure = config.to_json_string() if hasattr(config, "to_json_string") else repr(model)
    digest = hashlib.sha256(structure.encode())
    for name, tensor in sorted(model.state_dict().items()):
        if tensor.is_meta:
            raise ValueError(
                f"{name} of {type(model).__name__} is offloaded by device_map, and a hash of all "
                f"weights is needed; keep every module on a CPU or GPU, or, with "
                f"ActivationExtractor, leave cache_dir=None"
            )
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        values = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(values.numpy().data)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    vocabulary = backend.to_str() if backend else json.dumps(tokenizer.get_vocab(), sort_keys=True)
    digest.update(vocabulary.encode())
    _fingerprints[model] = digest.hexdigest()
    return _fingerprints[model]
