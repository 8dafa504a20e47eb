"""Batches of texts of different lengths: grouping, padding, and one row per token."""

from itertools import groupby

import torch

from skdict.models._signatures import takes


def context_length(model):
    """Return the maximum number of tokens that a model can read, or None if not configured."""
    config = getattr(model, "config", None)
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    return getattr(config, "max_position_embeddings", None)


def batches_of_like_length(model, lengths, batch_size):
    """Yield the indices of texts that share a forward pass, longest first.

    A model without an attention mask would read the padding as text, so its batches contain
    only texts of equal length.

    Parameters
    ----------
    model : Module
        Any model.
    lengths : sequence of int
        Number of tokens of each text.
    batch_size : int
        Maximum number of texts in a forward pass.

    Yields
    ------
    list of int
        Indices of the texts in one batch.
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
        Token ids of each text.
    device : torch.device, optional
        Device of the result; the CPU by default.

    Returns
    -------
    (torch.Tensor, torch.Tensor) of int64, shape (n_texts, n_tokens)
        Token ids, and an attention mask that is 1 for tokens and 0 for padding.
    """
    rows = [torch.as_tensor(tokens, dtype=torch.long) for tokens in token_lists]
    ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    lengths = torch.tensor([len(row) for row in rows])
    mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
    return ids.to(device), mask.to(device)


def run(model, ids, mask=None):
    """Run a model on padded token ids, without a key-value cache.

    Parameters
    ----------
    model : Module
        Any model. Token ids are passed by position, and the mask only if its forward method
        accepts an `attention_mask`.
    ids, mask : torch.Tensor of int64, shape (n_texts, n_tokens)
        Token ids and attention mask from `pad`. Without a mask, no text is taken as padded.

    Returns
    -------
    object
        Output of the model.
    """
    options = {}
    if mask is not None and takes(model, "attention_mask"):
        options["attention_mask"] = mask
    if hasattr(getattr(model, "config", None), "use_cache"):
        options["use_cache"] = False
    return model(ids, **options)


def as_rows(value, shape, hook_point):
    """Return the activations at a hook point as one row for each token.

    Parameters
    ----------
    value : torch.Tensor
        Activations of shape (texts, tokens, width), or (texts * tokens, width), as passed
        between the blocks of some models.
    shape : tuple of int
        Number of texts and number of tokens.
    hook_point : str
        Name of the hook point, for the error message.

    Returns
    -------
    torch.Tensor of shape (n_texts, n_tokens, width)
        One row for each token of each text.

    Raises
    ------
    ValueError
        If `value` does not have one row for each token.
    """
    texts, tokens = shape
    flat = torch.is_tensor(value) and value.ndim == 2 and len(value) == texts * tokens
    if not flat and not (torch.is_tensor(value) and value.ndim == 3 and value.shape[:2] == shape):
        got = f"shape {tuple(value.shape)}" if torch.is_tensor(value) else type(value).__name__
        raise ValueError(
            f"the module at hook_point={hook_point!r} gave {got} instead of ({texts}, {tokens}, "
            f"width) for {texts} texts of {tokens} tokens; choose a module that runs once for "
            f"each token and returns one row for each"
        )
    return value.reshape(texts, tokens, -1)
