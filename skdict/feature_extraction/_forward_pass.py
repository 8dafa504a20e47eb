"""Run a model on batches of token ids."""

from dataclasses import dataclass

import torch

from skdict.models import (
    as_rows,
    capture,
    evaluation_mode,
    hooks_at_rest,
    input_device,
    one_pass_at_a_time,
    pad,
    run,
    text_reader,
    verify_found,
)


@dataclass
class TokenCounts:
    """Number of tokens that have gone through a model.

    Parameters
    ----------
    n_tokens : int, default=0
        Number of tokens of texts.
    n_padding : int, default=0
        Number of padding tokens, which take as much time and yield no rows.
    """

    n_tokens: int = 0
    n_padding: int = 0

    @property
    def padding_share(self):
        """Share of padding in all tokens, from 0 to 1; 0 before the first forward pass."""
        return self.n_padding / max(self.n_tokens + self.n_padding, 1)

    def add(self, lengths):
        """Add one forward pass over right-padded texts, given their numbers of tokens."""
        n_tokens = int(lengths.sum())
        self.n_tokens += n_tokens
        self.n_padding += len(lengths) * int(lengths.max()) - n_tokens


@torch.inference_mode()
def forward(model, points, token_lists, *, stop=True):
    """Return the activations of texts by hook point, each of shape (texts, tokens, width)."""
    reader = text_reader(model, points)
    ids, mask = pad(token_lists, input_device(model))
    with one_pass_at_a_time(model), evaluation_mode(model), capture(points, stop=stop) as values:
        run(reader, ids, mask)
    return {name: as_rows(values[name], ids.shape, name) for name in points}


def check_places(model, points, tokens):
    """Check that each hook point gives one row for each token of each text.

    Two equal texts are run, because with a single one a batch axis could not be distinguished
    from any other axis of length 1.
    """
    with hooks_at_rest():
        # Run the pass to its end, so that a module that runs twice is noticed.
        forward(model, points, [tokens, tokens], stop=False)
    verify_found(model, points, tokens)
