"""Running a model on token ids, some texts at a time."""

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
    """Count the tokens that have gone through a model.

    Parameters
    ----------
    n_tokens : int, default=0
        Tokens of texts.
    n_padding : int, default=0
        Padding beside them, which costs as much time and gives no row.
    """

    n_tokens: int = 0
    n_padding: int = 0

    @property
    def padding_share(self):
        """Share of padding among all tokens, from 0 to 1; 0 before the first forward pass."""
        return self.n_padding / max(self.n_tokens + self.n_padding, 1)

    def add(self, lengths):
        """Count one forward pass over right-padded texts, given their numbers of tokens."""
        n_tokens = int(lengths.sum())
        self.n_tokens += n_tokens
        self.n_padding += len(lengths) * int(lengths.max()) - n_tokens


@torch.inference_mode()
def forward(model, points, token_lists, *, stop=True):
    """Return what is read on right-padded texts, (texts, tokens, width) for each place."""
    reader = text_reader(model, points)
    ids, mask = pad(token_lists, input_device(model))
    with one_pass_at_a_time(model), evaluation_mode(model), capture(points, stop=stop) as values:
        run(reader, ids, mask)
    return {name: as_rows(values[name], ids.shape, name) for name in points}


def check_places(model, points, tokens):
    """Refuse places that do not give one row for each token of each text.

    Two equal texts are run: one alone would not tell a batch axis from any axis of length 1.
    """
    with hooks_at_rest():
        # To the end of the pass, so that a module that runs again is seen to.
        forward(model, points, [tokens, tokens], stop=False)
    verify_found(model, points, tokens)
