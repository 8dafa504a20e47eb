"""Model, texts and activations that all parts of an evaluation share."""

import hashlib
import json
import time
import warnings
from dataclasses import dataclass

import numpy as np

from skdict._store import store_digest
from skdict.activations import Activations, ActivationsWriter
from skdict.exceptions import OutlierWarning
from skdict.feature_extraction import ActivationExtractor, NoRowsError
from skdict.models import fingerprint

TEXTS_PER_SHARD = 64
# Labels take about 200 bytes per token, so they are made for a limited number of tokens.
MOST_LABELLED = 100_000


@dataclass(frozen=True)
class Sources:
    """Model, texts and activations of one evaluation.

    Parameters
    ----------
    model : (PreTrainedModel, PreTrainedTokenizerBase)
        Loaded model.
    hook_point : str
        Hook point of the dictionaries.
    texts : list of str
        All texts.
    acts : Activations of shape (n_tokens, width)
        Memory-mapped activations of the first texts.
    digest : str
        Hash of the model and of the activations.
    reading : dict
        `max_length` and `batch_size`.
    seconds : float
        Time to read the texts or to open the activations.
    """

    model: tuple
    hook_point: str
    texts: list
    acts: Activations
    digest: str
    reading: dict
    seconds: float

    def first_rows(self, n_tokens):
        """Return the rows of the first documents with at least a number of tokens."""
        if len(self.acts) <= n_tokens:
            return self.acts
        last = self.acts.documents[n_tokens - 1]
        return self.acts[: np.searchsorted(self.acts.documents, last, side="right")]

    def first_texts(self, n_tokens):
        """Return the first texts with at least a number of tokens that yield rows."""
        last = self.first_rows(n_tokens).documents[-1]
        return self.texts[: last + 1]


def read_texts_once(folder, model, name, hook_point, texts, n_tokens, reading):
    """Run the model on texts until enough tokens are read, and return the `Sources`.

    An interrupted run continues after the last shard.

    Parameters
    ----------
    folder : Path
        Folder to write the activations to.
    model : (PreTrainedModel, PreTrainedTokenizerBase)
        Loaded model.
    name : str
        Name of the model to record.
    hook_point : str
        Hook point to read.
    texts : list of str
        Texts.
    n_tokens : int
        Number of tokens to read. The text in which it is reached is read to its end.
    reading : dict
        `max_length` and `batch_size`.
    """
    start, model_hash = time.perf_counter(), fingerprint(*model)
    source = {
        "model": name,
        "model_sha256": model_hash,
        "texts_sha256": hashlib.sha256(json.dumps(texts).encode()).hexdigest(),
        "hook_point": hook_point,
        "n_tokens": n_tokens,
        **reading,
    }
    store, extractor = folder / "activations", ActivationExtractor(model, hook_point, **reading)
    folder.mkdir(parents=True, exist_ok=True)
    with ActivationsWriter(store, source=source) as writer, warnings.catch_warnings():
        if not writer.complete:
            _write(writer, extractor._reading(), texts, n_tokens, name)
    acts, digest = Activations.load(store), f"{model_hash} {store_digest(store)}"
    seconds = time.perf_counter() - start
    return Sources(model, hook_point, texts, acts, digest, reading, seconds)


def _write(writer, reading, texts, n_tokens, name):
    (point,) = reading.hook_points
    for start in range(writer.next_document, len(texts), TEXTS_PER_SHARD):
        end = min(start + TEXTS_PER_SHARD, len(texts))
        try:
            acts = reading.run(texts[start:end], first_document=start)[point]
        except NoRowsError:
            continue
        # The first rows have warned of outliers.
        warnings.simplefilter("ignore", OutlierWarning)
        missing = n_tokens - writer.n_rows
        if len(acts) > missing:
            last = acts.documents[missing - 1]
            acts = acts[: np.searchsorted(acts.documents, last, side="right")]
        writer.append(_named(acts, name), next_document=end)
        if writer.n_rows >= n_tokens:
            break
    writer.finish()


def _named(acts, name):
    """Return activations with the name of the model, which a loaded model does not know."""
    columns = {key: getattr(acts, key) for key in ("documents", "positions", "token_ids")}
    metadata = acts.metadata | {"model": name}
    return Activations(np.asarray(acts), **columns, vocabulary=acts.vocabulary, metadata=metadata)
