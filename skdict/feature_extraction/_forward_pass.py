"""Running a model on token ids, some texts at a time."""

import inspect
from dataclasses import dataclass

import numpy as np
import torch

from skdict.models import capture, input_device, verify_hook_points


def context_length(model):
    """Return how many tokens a model reads at most, or None if it does not say."""
    config = getattr(model, "config", None)
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    return getattr(config, "max_position_embeddings", None)


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


def batches_of_like_length(model, lengths, batch_size):
    """Yield indices of texts that share a forward pass, longest first.

    A model that takes no attention mask would read the padding, so it gets texts of equal
    length together.
    """
    order = np.argsort(-lengths, kind="stable")
    groups = [order]
    if not _takes(model, "attention_mask"):
        groups = np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1)
    for group in groups:
        for start in range(0, len(group), batch_size):
            yield group[start : start + batch_size]


def forward(model, points, token_lists, *, stop=True):
    """Return what is read on right-padded texts, (texts, tokens, width) for each place."""
    longest = max(map(len, token_lists))
    ids = torch.zeros(len(token_lists), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, tokens in enumerate(token_lists):
        ids[row, : len(tokens)] = torch.as_tensor(tokens)
        mask[row, : len(tokens)] = 1
    device = input_device(model)
    options = {"attention_mask": mask.to(device)} if _takes(model, "attention_mask") else {}
    if hasattr(getattr(model, "config", None), "use_cache"):
        options["use_cache"] = False
    with capture(points, stop=stop) as values:
        # By position, as a plain module may call them what it likes.
        model(ids.to(device), **options)
    # Some models flatten texts and tokens inside a block.
    flat = len(token_lists) * longest
    return {
        name: value.reshape(*ids.shape, -1) if value.shape[0] == flat and value.ndim == 2 else value
        for name, value in values.items()
    }


@torch.inference_mode()
def check_places(model, points, tokens):
    """Refuse places that do not give one row for each token of each text.

    Two equal texts are run: one alone would not tell a batch axis from any axis of length 1.
    """
    # To the end of the pass, so that a module that runs again is seen to.
    hidden = forward(model, points, [tokens, tokens], stop=False)
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
            verify_hook_points(model, torch.as_tensor(tokens, device=input_device(model))[None])


def _takes(model, name):
    """Whether a model's forward takes an argument of this name."""
    parameters = inspect.signature(model.forward).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())
