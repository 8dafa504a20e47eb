"""Positions of the tokens of a forward pass in their texts, and which are padding."""

from typing import NamedTuple

import torch

CACHES = ("past_key_values", "cache_params", "state", "past_buckets_states", "mems")
INPUTS = ("input_ids", "inputs_embeds")
# Additive masks hide keys by a value close to the minimum of their dtype.
HIDDEN = -1e4


class TokenPositions(NamedTuple):
    """Positions of the tokens of a forward pass in their texts.

    Parameters
    ----------
    start : int
        Column of the first token of the pass in the whole texts, padding included.
    positions : torch.Tensor of int64, shape (n_texts, n_tokens)
        Position of each token in its text, padding excluded; -1 for padding. If several texts
        are packed into one row by restarting `position_ids`, each of them starts at 0.
    n_padding : torch.Tensor of int64, shape (n_texts,)
        Number of padding columns of each text up to the end of the pass.
    """

    start: int
    positions: torch.Tensor
    n_padding: torch.Tensor


def decoder_arguments(arguments):
    """Return the arguments of an encoder-decoder for its decoder, without the name prefix."""
    own = {name: arguments.get(name) for name in (*CACHES, "cache_position")}
    return own | {
        name.removeprefix("decoder_"): value
        for name, value in arguments.items()
        if name.startswith("decoder_")
    }


def read_token_positions(arguments, cached):
    """Return the token positions of a forward pass.

    Parameters
    ----------
    arguments : dict of str to object
        Arguments of the call, from `bind_call`.
    cached : dict of str to (int or None, torch.Tensor or None)
        For each argument that holds a cache, the number of columns in it when the pass began,
        and the number of padding columns of each text; None if unknown.

    Returns
    -------
    TokenPositions
        Positions of the tokens that the pass computes.

    Raises
    ------
    ValueError
        If an argument cannot be interpreted; the message names it.
    """
    shape = _shape(arguments)
    mask = _mask(arguments.get("attention_mask"))
    start = _start(arguments, cached, shape[1], mask)
    real, before = _real(mask, shape, start)
    padding = [padding for _, padding in cached.values() if padding is not None]
    if mask is None and padding:
        before = before - _matching(padding[0], shape[0])
    ids = _position_ids(arguments.get("position_ids"), shape)
    count = real.long().cumsum(dim=1)
    before = before.to(real.device)
    positions = count - 1 + before[:, None]
    if ids is not None:
        ids = ids.to(real.device)
        if start and (mask is None or mask.ndim > 2):
            positions = ids
        positions = _restarted(positions, ids, real, count)
    n_padding = start + shape[1] - before - count[:, -1]
    return TokenPositions(start, torch.where(real, positions, -1), n_padding)


def _refuse(name, got, do):
    raise ValueError(
        f"{name} {got}, so the positions of the tokens of this forward pass in their texts cannot "
        f"be determined; {do}"
    )


def _shape(arguments):
    """Return the number of texts and the number of tokens of a pass."""
    tokens = [arguments[name] for name in INPUTS if arguments.get(name) is not None]
    if not tokens and not any(name in arguments for name in INPUTS):
        # A plain module may give its token argument any name.
        tokens = list(arguments.values())
    if tokens and torch.is_tensor(tokens[0]) and tokens[0].ndim in (2, 3):
        return tuple(tokens[0].shape[:2])
    got = next(iter(arguments), "input_ids")
    _refuse(
        got,
        "holds no tokens of shape (texts, tokens)",
        "pass input_ids or inputs_embeds (for a decoder: decoder_input_ids)",
    )


def _mask(mask):
    """Return the mask as a tensor or None; of several masks, the one that hides the least."""
    if isinstance(mask, dict):
        kinds = [mask.get("full_attention"), *mask.values()]
        mask = next((m for m in kinds if m is not None), None)
    if mask is not None and (not torch.is_tensor(mask) or mask.ndim not in (2, 3, 4)):
        _refuse(
            "attention_mask",
            f"is {type(mask).__name__} in an unsupported form",
            "pass a tensor of shape (texts, tokens) or (texts, heads, queries, keys)",
        )
    return mask


def _start(arguments, cached, n_tokens, mask):
    """Return the column at which a pass starts."""
    given = arguments.get("cache_position")
    given = int(given.flatten()[0]) if torch.is_tensor(given) and given.numel() else None
    known = [length for length, _ in cached.values() if length is not None]
    if known and given is not None and given != max(known):
        _refuse(
            "cache_position",
            f"starts at {given}, but the cache holds {max(known)} columns",
            "leave cache_position out, or pass the cache that it belongs to",
        )
    if known:
        return max(known)
    columns = mask.shape[-1] if mask is not None and mask.ndim == 2 else 0
    if columns > n_tokens:
        return columns - n_tokens
    if cached and given is None:
        _refuse(
            next(iter(cached)),
            "does not say how many tokens it holds",
            "pass an attention_mask of shape (texts, tokens) that also covers the cached tokens, "
            "or fill the cache inside the block",
        )
    return given or 0


def _real(mask, shape, start):
    """Return flags of the tokens that are not padding, and how many such tokens precede them."""
    texts, n = shape
    if mask is None:
        real = torch.ones(shape, dtype=torch.bool)
        return real, torch.full((texts,), start)
    if mask.shape[0] not in (1, texts):
        _refuse(
            "attention_mask",
            f"has {len(mask)} rows for {texts} texts",
            "pass one row for each text",
        )
    if mask.ndim == 2:
        if mask.shape[1] < start + n:
            _refuse(
                "attention_mask",
                f"has {mask.shape[1]} columns instead of {start + n} ({start} of them cached)",
                "pass a mask that covers all tokens up to the last of the pass",
            )
        mask = mask.bool().expand(texts, -1)
        return mask[:, start : start + n], mask[:, :start].sum(dim=1)
    return _real_by_attention(mask, shape, start)


def _matching(padding, texts):
    """Return the padding recorded for a cache, if the pass has the same number of texts."""
    if len(padding) != texts:
        _refuse(
            "attention_mask",
            f"is missing, and the cache was filled with {len(padding)} texts but {texts} are run",
            "pass one of shape (texts, tokens) that covers all tokens",
        )
    return padding.cpu()


def _real_by_attention(mask, shape, start):
    """Do the same as `_real` with an attention pattern: no query attends to padding."""
    texts, n = shape
    if (mask.is_floating_point() and (mask > 0).any()) or mask.shape[-2] not in (1, n):
        _refuse(
            "attention_mask",
            f"of shape {tuple(mask.shape)} is neither boolean nor additive over {n} queries",
            "pass one of shape (texts, tokens)",
        )
    attends = mask > HIDDEN if mask.is_floating_point() else mask.bool()
    attends = attends.any(dim=1) if attends.ndim == 4 else attends
    attends = attends.expand(texts, n, -1)
    # Queries with nothing to attend to are sometimes made to attend to everything.
    stray = attends.all(dim=2)
    stray[:, -1] = False
    seen = (attends & ~stray[..., None]).any(dim=1)
    if seen.shape[1] >= start + n:
        return seen[:, start : start + n], seen[:, :start].sum(dim=1)
    # The keys of a sliding window end with those of the pass itself.
    return seen[:, -n:], torch.full((texts,), start, device=seen.device)


def _position_ids(ids, shape):
    """Return position ids as (texts, tokens), or None for those of images, with more axes."""
    if not torch.is_tensor(ids) or ids.ndim > 2:
        return None
    ids = ids.reshape(-1, ids.shape[-1])
    if ids.shape[1] != shape[1] or len(ids) not in (1, shape[0]):
        _refuse(
            "position_ids",
            f"has shape {tuple(ids.shape)} for {shape[0]} texts of {shape[1]} tokens",
            "pass one for each token",
        )
    return ids.expand(shape)


def _restarted(positions, ids, real, count):
    """Return positions that restart where position ids do, as in packed texts."""
    anew = torch.zeros_like(real)
    anew[:, 1:] = (ids[:, 1:] < ids[:, :-1]) | (ids[:, 1:] == 0)
    anew[:, 1:] &= real[:, 1:] & real[:, :-1]
    base = torch.where(anew, count, 0).cummax(dim=1).values
    return torch.where(base > 0, count - base, positions)
