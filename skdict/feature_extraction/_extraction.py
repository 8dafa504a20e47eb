"""Running a model on texts and gathering what is read at some of its places."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from skdict._core import resolve_device
from skdict._validation import check_choice, check_number, check_texts
from skdict.activations import Activations
from skdict.feature_extraction._outliers import warn_of_outliers
from skdict.feature_extraction._pooling import POOLINGS, pool_rows
from skdict.feature_extraction._row_cache import RowCache, fingerprint
from skdict.models import (
    capture,
    describe_model,
    encode_texts,
    evaluation_mode,
    find_hook_point,
    load_model,
    readable_pieces,
    verify_hook_points,
)

DTYPES = ("float32", "float16")


@dataclass
class Reading:
    """What is read, of which model, and how: the parameters of `ActivationExtractor`."""

    model: object
    hook_points: tuple
    pooling: str | None
    max_length: int
    batch_size: int
    skip_first: int
    dtype: str
    device: str
    revision: str | None
    cache_dir: object

    def check(self):
        """Refuse parameters that are out of range; load the model and find the places."""
        for name in ("max_length", "batch_size"):
            check_number(name, getattr(self, name), low=1, integer=True)
        check_number("skip_first", self.skip_first, low=0, integer=True)
        check_choice("dtype", self.dtype, DTYPES)
        check_choice("pooling", self.pooling, (None, *POOLINGS))
        if self.model is None:
            raise ValueError(
                "model is None: a pickle does not keep a loaded model; "
                "set_params(model=...) to give it back, or pass a name or folder"
            )
        device = resolve_device(self.device)
        model, tokenizer = load_model(self.model, device=device, revision=self.revision)
        points = {name: find_hook_point(model, name) for name in self.hook_points}
        return model, tokenizer, points

    def run(self, texts, *, first_document=0):
        """Return the rows of texts, for each place; documents count from `first_document`."""
        texts = check_texts(texts)
        model, tokenizer, points = self.check()
        token_lists, lengths = self._encode(model, tokenizer, texts)
        if lengths.sum() == 0:
            raise ValueError(
                f"no text has a token after the first skip_first={self.skip_first}; pass longer "
                f"texts or lower skip_first"
            )
        with evaluation_mode(model):
            if self.cache_dir is None:
                rows = self._gather(model, points, token_lists, lengths)
            else:
                rows = self._gather_cached(model, tokenizer, points, texts, token_lists, lengths)
        documents = np.repeat(np.arange(len(texts)), lengths)
        if self.pooling is not None:
            return {
                name: pool_rows(part, documents, len(texts), self.pooling)
                for name, part in rows.items()
            }
        starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
        table = {
            "documents": documents + first_document,
            "positions": np.arange(len(documents)) - starts + self.skip_first,
            "token_ids": np.concatenate([ids[self.skip_first :] for ids in token_lists]).astype(
                np.int32
            ),
            "vocabulary": readable_pieces(tokenizer),
        }
        source = {"model": describe_model(self.model)}
        result = {
            name: Activations(part, **table, metadata=source | {"hook_point": name})
            for name, part in rows.items()
        }
        for name, activations in result.items():
            warn_of_outliers(activations, name)
        return result

    def has_rows(self, texts):
        """Whether any of the texts is long enough to give a row."""
        model, tokenizer, _ = self.check()
        return self._encode(model, tokenizer, check_texts(texts))[1].any()

    def _encode(self, model, tokenizer, texts):
        """Return the tokens of each text, and how many rows they give."""
        context = getattr(model.config, "max_position_embeddings", None) or self.max_length
        token_lists = encode_texts(tokenizer, texts, min(self.max_length, context))
        return token_lists, np.array([max(0, len(ids) - self.skip_first) for ids in token_lists])

    def _gather_cached(self, model, tokenizer, points, texts, token_lists, lengths):
        """Return the rows of all texts, run the model on new ones alone and keep theirs."""
        settings = {name: getattr(self, name) for name in ("max_length", "skip_first", "dtype")}
        source = fingerprint(model, tokenizer, keep=isinstance(self.model, (str, Path)))
        cache = RowCache(self.cache_dir, source, settings)
        known = {name: [cache.load(text, name) for text in texts] for name in points}
        new = [
            i
            for i, n in enumerate(lengths)
            if n and any(rows[i] is None for rows in known.values())
        ]
        if new:
            chosen = [token_lists[i] for i in new]
            fresh = self._gather(model, points, chosen, lengths[new])
            ends = np.cumsum(lengths[new])
            for name, rows in fresh.items():
                for i, end in zip(new, ends, strict=True):
                    known[name][i] = rows[end - lengths[i] : end]
                    cache.store(texts[i], name, known[name][i])
        return {
            name: np.concatenate([part for part, n in zip(rows, lengths, strict=True) if n])
            for name, rows in known.items()
        }

    @torch.inference_mode()
    def _gather(self, model, points, token_lists, lengths):
        """Return the rows of all texts; texts of like length share a forward pass."""
        _check_places(model, points, token_lists[int(lengths.argmax())][:8])
        ends = np.cumsum(lengths)
        by_length = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
        rows = {}
        for start in range(0, len(by_length), self.batch_size):
            batch = by_length[start : start + self.batch_size]
            hidden = _forward(model, points, [token_lists[i] for i in batch])
            for name, values in hidden.items():
                shape = ends[-1], values.shape[-1]
                target = rows.setdefault(name, np.empty(shape, dtype=self.dtype))
                for i, value in zip(batch, values, strict=True):
                    kept = value[self.skip_first : len(token_lists[i])]
                    target[ends[i] - lengths[i] : ends[i]] = self._to_array(kept, name)
        return rows

    def _to_array(self, values, name):
        array = values.float().cpu().numpy()
        if self.dtype == "float16" and np.abs(array).max() > np.finfo(np.float16).max:
            raise ValueError(
                f"dtype='float16' cannot hold an activation of {np.abs(array).max():.3g} at "
                f"{name!r} (at most 65504); use dtype='float32'"
            )
        return array


def _forward(model, points, token_lists, *, stop=True):
    """Return what is read on right-padded texts, (texts, tokens, width) for each place."""
    longest = max(map(len, token_lists))
    ids = torch.zeros(len(token_lists), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, tokens in enumerate(token_lists):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        mask[row, : len(tokens)] = 1
    device = next(model.parameters()).device
    options = {"use_cache": False} if hasattr(model.config, "use_cache") else {}
    with capture(points, stop=stop) as values:
        model(input_ids=ids.to(device), attention_mask=mask.to(device), **options)
    # Some models flatten texts and tokens inside a block.
    flat = len(token_lists) * longest
    return {
        name: value.reshape(*ids.shape, -1) if value.shape[0] == flat and value.ndim == 2 else value
        for name, value in values.items()
    }


@torch.inference_mode()
def _check_places(model, points, tokens):
    """Refuse places that do not give one row for each token of each text.

    Two equal texts are run: one alone would not tell a batch axis from any axis of length 1.
    """
    # To the end of the pass, so that a module that runs again is seen to.
    hidden = _forward(model, points, [tokens, tokens], stop=False)
    for name in points:
        value = hidden.get(name)
        if value is None or value.ndim != 3 or value.shape[:2] != (2, len(tokens)):
            got = "nothing" if value is None else f"shape {tuple(value.shape)}"
            raise ValueError(
                f"the module at hook_point={name!r} gave {got} where (2, {len(tokens)}, width) is "
                f"due for 2 texts of {len(tokens)} tokens; choose a module that runs once for "
                f"each token"
            )
        if name.startswith(("attn_", "mlp_")):
            device = next(model.parameters()).device
            verify_hook_points(model, torch.tensor([tokens], device=device))
