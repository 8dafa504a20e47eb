"""Run a model on texts and collect the activations at one or several hook points."""

from dataclasses import dataclass, field

import numpy as np
import torch

from skdict._core import resolve_device
from skdict._validation import check_choice, check_flag, check_number, check_texts
from skdict.activations import Activations
from skdict.feature_extraction._finite_rows import to_rows
from skdict.feature_extraction._forward_pass import (
    TokenCounts,
    check_places,
    forward,
)
from skdict.feature_extraction._outliers import warn_of_outliers
from skdict.feature_extraction._pooling import POOLINGS, pool_rows
from skdict.feature_extraction._row_cache import open_row_cache
from skdict.feature_extraction._token_vectors import vocabulary_of
from skdict.feature_extraction._windows import LONG_TEXTS, read_in_windows
from skdict.models import (
    batches_of_like_length,
    check_reads_tokens,
    check_token_ids,
    check_tokenizer,
    context_length,
    describe_model,
    encode_texts,
    find_hook_point,
    load_model,
    special_ids,
)

DTYPES = ("float32", "float16")


class NoRowsError(ValueError):
    """No text yields a row."""


@dataclass
class Reading:
    """Parameters of `ActivationExtractor`, and how to read texts with them.

    `token_counts` counts the tokens sent through the model by all calls on this object, with
    padding counted separately. Rows read from the cache do not count.
    """

    model: object
    hook_points: tuple
    pooling: str | None
    max_length: int
    batch_size: int
    skip_first: int
    skip_special_tokens: bool
    long_texts: str
    dtype: str
    device: str
    model_dtype: str
    device_map: object
    revision: str | None
    cache_dir: object
    trust_remote_code: bool
    token_counts: TokenCounts = field(default_factory=TokenCounts, init=False, compare=False)

    def check(self):
        """Check all parameters; return the model, its tokenizer and the hook points."""
        for name in ("max_length", "batch_size"):
            check_number(name, getattr(self, name), low=1, integer=True)
        check_number("skip_first", self.skip_first, low=0, integer=True)
        check_flag("skip_special_tokens", self.skip_special_tokens)
        check_choice("long_texts", self.long_texts, LONG_TEXTS)
        check_choice("dtype", self.dtype, DTYPES)
        check_choice("pooling", self.pooling, (None, *POOLINGS))
        if self.model is None:
            raise ValueError(
                "model is None, because a loaded model is not pickled; restore it with "
                "set_params(model=...), or pass a name, folder or GGUF file"
            )
        placed = self.device_map is not None and self.device == "auto"
        model, tokenizer = load_model(
            self.model,
            device=None if placed else resolve_device(self.device),
            revision=self.revision,
            model_dtype=self.model_dtype,
            device_map=self.device_map,
            trust_remote_code=self.trust_remote_code,
        )
        check_reads_tokens(model)
        check_tokenizer(tokenizer)
        points = {name: find_hook_point(model, name) for name in self.hook_points}
        return model, tokenizer, points

    def run(self, texts, *, first_document=0):
        """Return the rows of texts by hook point, numbering documents from `first_document`."""
        texts = check_texts(texts, first=first_document)
        model, tokenizer, points = self.check()
        windows = self._windows(model, tokenizer, texts, first_document)
        lengths = np.array([sum(len(window.kept) for window in part) for part in windows])
        if not lengths.any():
            kind = "token that is not special" if self.skip_special_tokens else "token"
            raise NoRowsError(
                f"no text has a {kind} after the first skip_first={self.skip_first}; pass longer "
                f"texts or lower skip_first"
            )
        rows = self._read(model, points, windows)
        documents = np.repeat(np.arange(len(texts)), lengths)
        if self.pooling is not None:
            return {
                name: pool_rows(part, documents, len(texts), self.pooling, first=first_document)
                for name, part in rows.items()
            }
        return self._as_activations(rows, windows, documents + first_document, (model, tokenizer))

    def _as_activations(self, rows, windows, documents, pair):
        """Return the rows by hook point as `Activations`, and warn about outliers in them."""
        every = [window for part in windows for window in part]
        table = {
            "documents": documents,
            "positions": np.concatenate([w.positions for w in every]),
            "token_ids": np.concatenate([w.ids[w.kept] for w in every]).astype(np.int32),
            "vocabulary": vocabulary_of(*pair),
        }
        source = {"model": describe_model(self.model)}
        result = {
            name: Activations(part, **table, metadata=source | {"hook_point": name})
            for name, part in rows.items()
        }
        for name, activations in result.items():
            warn_of_outliers(activations, name)
        return result

    def _windows(self, model, tokenizer, texts, first_document):
        """Return the windows of each text."""
        options = {
            "max_length": min(self.max_length, context_length(model) or self.max_length),
            "long_texts": self.long_texts,
            "skip_first": self.skip_first,
            "left_out": special_ids(tokenizer) if self.skip_special_tokens else None,
        }
        encoded = encode_texts(tokenizer, texts)
        windows = [
            read_in_windows(text, first_document + i, **options) for i, text in enumerate(encoded)
        ]
        check_token_ids(model, tokenizer, ((w.text, w.ids) for part in windows for w in part))
        return windows

    def _read(self, model, points, windows):
        """Return the rows of all texts by hook point, from the cache where possible."""
        cache = None
        if self.cache_dir is not None:
            cache = open_row_cache(self.cache_dir, model, self.dtype)
        if cache is None:
            return self._gather(model, points, windows)
        return self._gather_cached(cache, model, points, windows)

    def _gather_cached(self, cache, model, points, windows):
        """Return the rows of all texts, running the model only on new ones and caching those."""
        lengths = [sum(len(window.kept) for window in part) for part in windows]
        known = {
            name: [
                cache.load(part, name) if n else None
                for part, n in zip(windows, lengths, strict=True)
            ]
            for name in points
        }
        new = [
            i
            for i, n in enumerate(lengths)
            if n and any(rows[i] is None for rows in known.values())
        ]
        if new:
            cache.check_writable()
            fresh = self._gather(model, points, [windows[i] for i in new])
            ends = np.cumsum([lengths[i] for i in new])
            for name, rows in fresh.items():
                for i, end in zip(new, ends, strict=True):
                    known[name][i] = rows[end - lengths[i] : end]
                    cache.store(windows[i], name, known[name][i])
        return {
            name: np.concatenate([part for part, n in zip(rows, lengths, strict=True) if n])
            for name, rows in known.items()
        }

    def _gather(self, model, points, windows):
        """Return the rows of all texts; windows of similar length share a forward pass."""
        reading = [window for part in windows for window in part if len(window.kept)]
        ends = np.cumsum([len(window.kept) for window in reading])
        lengths = np.array([len(window.ids) for window in reading])
        check_places(model, points, reading[int(lengths.argmax())].ids[:8])
        rows = {}
        for batch in batches_of_like_length(model, lengths, self.batch_size):
            hidden = forward(model, points, [reading[i].ids for i in batch])
            self.token_counts.add(lengths[batch])
            for name, values in hidden.items():
                shape = ends[-1], values.shape[-1]
                target = rows.setdefault(name, np.empty(shape, dtype=self.dtype))
                for i, value in zip(batch, values, strict=True):
                    kept = torch.from_numpy(reading[i].kept).to(value.device)
                    target[ends[i] - len(kept) : ends[i]] = to_rows(
                        value[kept], reading[i], name, model, self.dtype
                    )
        return rows
