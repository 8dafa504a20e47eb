"""Texts of unlike length in one forward pass: which share it, and what fills them up."""

from itertools import groupby

import torch

from skdict.models._signatures import takes


def context_length(model):
    """Return how many tokens a model reads at most, or None if it does not say."""
    config = getattr(model, "config", None)
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    return getattr(config, "max_position_embeddings", None)


def batches_of_like_length(model, lengths, batch_size):
    """Yield indices of texts that share a forward pass, longest first.

    A model that takes no attention mask would read the padding, so it gets texts of equal
    length together.

    Parameters
    ----------
    model : Module
        Any model.
    lengths : sequence of int
        Tokens of each text.
    batch_size : int
        Most texts in a forward pass.

    Yields
    ------
    list of int
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    groups = [order]
    if not takes(model, "attention_mask"):
        groups = [list(part) for _, part in groupby(order, key=lambda i: lengths[i])]
    for group in groups:
        for start in range(0, len(group), batch_size):
            yield group[start : start + batch_size]


def pad(token_lists, device=None):
    """Return token ids padded on the right.

    Parameters
    ----------
    token_lists : sequence of array-like of int
        The tokens of each text.
    device : torch.device, optional
        Where to put them; the CPU by default.

    Returns
    -------
    (torch.Tensor, torch.Tensor) of int64, shape (n_texts, n_tokens)
        Token ids, and a mask that is 1 where there is a token.
    """
    rows = [torch.as_tensor(tokens, dtype=torch.long) for tokens in token_lists]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    return ids.to(device), mask.to(device)


def run(model, ids, mask=None):
    """Run a model on padded token ids, without a cache.

    Parameters
    ----------
    model : Module
        Any model; a plain module gets the ids alone, by position, and no mask it has no name
        for.
    ids, mask : torch.Tensor of int64, shape (n_texts, n_tokens)
        As of `pad`; no mask means that no text is padded.

    Returns
    -------
    object
        What the model gives.
    """
    options = {}
    if mask is not None and takes(model, "attention_mask"):
        options["attention_mask"] = mask
    if hasattr(getattr(model, "config", None), "use_cache"):
        options["use_cache"] = False
    return model(ids, **options)


def as_rows(value, shape, hook_point):
    """Return what went through a place as one row for each token.

    Parameters
    ----------
    value : torch.Tensor
        Activations of shape (texts, tokens, width), or (texts * tokens, width) as the blocks of
        some models pass them on.
    shape : tuple of int
        Numbers of texts and tokens.
    hook_point : str
        Name of the place, for the message.

    Returns
    -------
    torch.Tensor of shape (n_texts, n_tokens, width)

    Raises
    ------
    ValueError
        If it does not hold one row for each token.
    """
    texts, tokens = shape
    flat = torch.is_tensor(value) and value.ndim == 2 and len(value) == texts * tokens
    if not flat and not (torch.is_tensor(value) and value.ndim == 3 and value.shape[:2] == shape):
        got = f"shape {tuple(value.shape)}" if torch.is_tensor(value) else type(value).__name__
        raise ValueError(
            f"the module at hook_point={hook_point!r} gave {got} where ({texts}, {tokens}, width) "
            f"is due for {texts} texts of {tokens} tokens; choose a module that runs once for "
            f"each token and gives one row for each"
        )
    return value.reshape(texts, tokens, -1)
