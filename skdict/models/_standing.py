"""Where a forward pass stands: which columns of its texts it is given, and which are padding."""

from typing import NamedTuple

import torch

CACHES = ("past_key_values", "cache_params", "state", "past_buckets_states", "mems")
INPUTS = ("input_ids", "inputs_embeds")
# Additive masks hide keys by a number near the least of their dtype.
HIDDEN = -1e4


class Standing(NamedTuple):
    """Where the tokens of a forward pass stand in their texts.

    Parameters
    ----------
    start : int
        Column of the pass's first token in the whole texts, padding counted.
    positions : torch.Tensor of int64, shape (n_texts, n_tokens)
        Position of each token in its text, padding not counted; -1 is padding. Texts packed
        into one row by `position_ids` that start anew each begin at 0.
    n_padding : torch.Tensor of int64, shape (n_texts,)
        Columns of each text up to the end of the pass that are padding.
    """

    start: int
    positions: torch.Tensor
    n_padding: torch.Tensor


def of_decoder(arguments):
    """Return the arguments of an encoder-decoder that are about its decoder, by plain names."""
    own = {name: arguments.get(name) for name in (*CACHES, "cache_position")}
    return own | {
        name.removeprefix("decoder_"): value
        for name, value in arguments.items()
        if name.startswith("decoder_")
    }


def read_standing(arguments, cached):
    """Return where a forward pass stands.

    Parameters
    ----------
    arguments : dict of str to object
        Arguments of the call, as of `bind_call`.
    cached : dict of str to (int or None, torch.Tensor or None)
        For each argument that holds a cache, how many columns it held when the pass began, and
        how many of them are padding, text by text; None for what is not known.

    Returns
    -------
    Standing

    Raises
    ------
    ValueError
        If an argument cannot be read, naming it.
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
    return Standing(start, torch.where(real, positions, -1), n_padding)


def _refuse(name, got, do):
    raise ValueError(
        f"{name} {got}, so where the tokens of this forward pass stand in their texts cannot be "
        f"read; {do}"
    )


def _shape(arguments):
    """Return the numbers of texts and tokens of a pass."""
    tokens = [arguments[name] for name in INPUTS if arguments.get(name) is not None]
    if not tokens and not any(name in arguments for name in INPUTS):
        # A plain module may call its tokens what it likes.
        tokens = list(arguments.values())
    if tokens and torch.is_tensor(tokens[0]) and tokens[0].ndim in (2, 3):
        return tuple(tokens[0].shape[:2])
    got = next(iter(arguments), "input_ids")
    _refuse(
        got,
        "holds no tokens of shape (texts, tokens)",
        "pass input_ids or inputs_embeds (of a decoder: decoder_input_ids)",
    )


def _mask(mask):
    """Return a mask as a tensor or None; of masks by kind of layer the one that hides least."""
    if isinstance(mask, dict):
        kinds = [mask.get("full_attention"), *mask.values()]
        mask = next((m for m in kinds if m is not None), None)
    if mask is not None and (not torch.is_tensor(mask) or mask.ndim not in (2, 3, 4)):
        _refuse(
            "attention_mask",
            f"is {type(mask).__name__} of no known form",
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
            f"starts at {given} where the cache holds {max(known)} columns",
            "leave cache_position out, or pass the cache that it is about",
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
            "pass an attention_mask of shape (texts, tokens) that covers those, too, or fill the "
            "cache inside the block",
        )
    return given or 0


def _real(mask, shape, start):
    """Return which tokens are no padding, and how many came before the pass that are none."""
    texts, n = shape
    if mask is None:
        real = torch.ones(shape, dtype=torch.bool)
        return real, torch.full((texts,), start)
    if mask.shape[0] not in (1, texts):
        _refuse(
            "attention_mask",
            f"has {len(mask)} rows for {texts} texts",
            "pass one for each",
        )
    if mask.ndim == 2:
        if mask.shape[1] < start + n:
            _refuse(
                "attention_mask",
                f"has {mask.shape[1]} columns where {start + n} are due ({start} of them cached)",
                "let it cover all tokens up to the last of the pass",
            )
        mask = mask.bool().expand(texts, -1)
        return mask[:, start : start + n], mask[:, :start].sum(dim=1)
    return _real_by_attention(mask, shape, start)


def _matching(padding, texts):
    """Return the padding known of a cache's texts, if the pass is about as many."""
    if len(padding) != texts:
        _refuse(
            "attention_mask",
            f"is missing, and the cache was filled with {len(padding)} texts where {texts} are run",
            "pass one of shape (texts, tokens) that covers all tokens",
        )
    return padding.cpu()


def _real_by_attention(mask, shape, start):
    """Do the same by what queries attend to: nothing attends to padding."""
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
    # Queries that may attend to nothing are sometimes let attend to everything.
    stray = attends.all(dim=2)
    stray[:, -1] = False
    seen = (attends & ~stray[..., None]).any(dim=1)
    if seen.shape[1] >= start + n:
        return seen[:, start : start + n], seen[:, :start].sum(dim=1)
    # The keys of a sliding window end with the pass's own.
    return seen[:, -n:], torch.full((texts,), start, device=seen.device)


def _position_ids(ids, shape):
    """Return position ids as (texts, tokens), or None: those of images have more axes."""
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
    """Return positions that start anew where position ids do, as in packed texts."""
    anew = torch.zeros_like(real)
    anew[:, 1:] = (ids[:, 1:] < ids[:, :-1]) | (ids[:, 1:] == 0)
    anew[:, 1:] &= real[:, 1:] & real[:, :-1]
    base = torch.where(anew, count, 0).cummax(dim=1).values
    return torch.where(base > 0, count - base, positions)
