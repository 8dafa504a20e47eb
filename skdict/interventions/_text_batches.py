"""Texts as padded batches, with the tokens to edit and those to predict from."""

from dataclasses import dataclass

import numpy as np
import torch

from skdict._validation import check_number, check_texts
from skdict.feature_extraction import read_in_windows
from skdict.models import (
    as_rows,
    batches_of_like_length,
    capture,
    check_continues_texts,
    check_token_ids,
    context_length,
    encode_texts,
    find_hook_point,
    input_device,
    pad,
    run,
    special_ids,
)


@dataclass
class TextBatch:
    """Texts that share a forward pass.

    Parameters
    ----------
    ids, mask : torch.Tensor of int64, shape (n_texts, n_tokens)
        Token ids, padded on the right, and a mask that is 1 at tokens.
    kept : torch.Tensor of bool, shape (n_texts, n_tokens)
        Tokens that may be edited: neither the first ones nor special tokens.
    predicting : torch.Tensor of bool, shape (n_texts, n_tokens)
        Kept tokens that are followed by another kept token.
    texts : list of int
        Index of each text in the list that was passed.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    kept: torch.Tensor
    predicting: torch.Tensor
    texts: list

    def run(self, model):
        """Return the logits of a model, of shape (n_texts, n_tokens, n_vocabulary)."""
        output = run(model, self.ids, self.mask)
        if not torch.is_tensor(getattr(output, "logits", None)):
            raise TypeError(
                f"{type(model).__name__} returns no logits; pass a causal language model"
            )
        return output.logits

    def read(self, model, hook_point):
        """Return the activations at a hook point, of shape (n_texts, n_tokens, width)."""
        with capture({hook_point: find_hook_point(model, hook_point)}) as values:
            self.run(model)
        return as_rows(values[hook_point], self.ids.shape, hook_point)

    def rows(self, texts):
        """Return a batch of some of the texts; texts may repeat."""
        parts = (self.ids, self.mask, self.kept, self.predicting)
        return TextBatch(*(part[texts] for part in parts), np.array(self.texts)[texts].tolist())

    def targets(self):
        """Return the token that follows each predicting token."""
        return self.ids.roll(-1, dims=1)[self.predicting]


def text_batches(model, tokenizer, texts, *, max_length, batch_size, skip_first):
    """Return texts as a list of `TextBatch`, with texts of similar length together.

    Raises
    ------
    ValueError
        If no text has two ordinary tokens in a row, or a parameter is out of range.
    TypeError
        If `texts` is not a list of strings.
    """
    check_continues_texts(model)
    for name, value in (("max_length", max_length), ("batch_size", batch_size)):
        check_number(name, value, low=1, integer=True)
    check_number("skip_first", skip_first, low=0, integer=True)
    length = min(max_length, context_length(model) or max_length)
    options = {"long_texts": "truncate", "skip_first": skip_first}
    windows = [
        read_in_windows(text, i, max_length=length, left_out=special_ids(tokenizer), **options)[0]
        for i, text in enumerate(encode_texts(tokenizer, check_texts(texts)))
    ]
    check_token_ids(model, tokenizer, ((window.text, window.ids) for window in windows))
    lengths = np.array([len(window.ids) for window in windows])
    device = input_device(model)
    batches = [
        _batch([windows[i] for i in part], device)
        for part in batches_of_like_length(model, lengths, batch_size)
    ]
    if not any(batch.predicting.any() for batch in batches):
        raise ValueError(
            f"no text has two ordinary tokens in a row after the first skip_first={skip_first} "
            f"positions; pass longer texts or lower skip_first"
        )
    return batches


def _batch(windows, device):
    ids, mask = pad([window.ids for window in windows], device)
    kept = np.zeros(ids.shape, dtype=bool)
    for row, window in enumerate(windows):
        kept[row, window.kept] = True
    predicting = kept.copy()
    predicting[:, :-1] &= kept[:, 1:]
    predicting[:, -1] = False
    flags = (torch.from_numpy(a).to(device) for a in (kept, predicting))
    return TextBatch(ids, mask, *flags, [window.text for window in windows])
