"""Pairs of hook points: the one that a transcoder reads, and the one that it predicts."""

import torch

from skdict.decomposition import is_transcoder
from skdict.models import find_hook_point

EXAMPLE = "('mlp_in.2', 'mlp_out.2')"


def split_pair(hook_point):
    """Return the hook points that are read before, if any, and the hook point to edit.

    Parameters
    ----------
    hook_point : str, (str, str) or ((str, ...), str)
        Name of a hook point, or that which a transcoder reads and that which it predicts. The
        first can be several, whose rows are read side by side.

    Returns
    -------
    (tuple of str, str)

    Raises
    ------
    ValueError
        If it is a sequence of another length than two, or names no hook point to read.
    """
    if not isinstance(hook_point, (tuple, list)):
        return (), hook_point
    if len(hook_point) != 2:
        raise ValueError(
            f"hook_point={hook_point!r} has {len(hook_point)} names; pass one name or, for a "
            f"transcoder, the two that it reads and predicts, such as {EXAMPLE}"
        )
    sources, target = hook_point
    sources = tuple(sources) if isinstance(sources, (tuple, list)) else (sources,)
    if not sources or len(set(sources)) < len(sources):
        raise ValueError(
            f"hook_point={hook_point!r} reads {len(sources)} hook points, of which "
            f"{len(set(sources))} differ; pass the different hook points that the dictionary reads"
        )
    return sources, target


def encoded_name(hook_point):
    """Return what a dictionary encodes: the name of a hook point, or a tuple of several."""
    sources, target = split_pair(hook_point)
    return sources if len(sources) > 1 else (*sources, target)[0]


def join_rows(parts):
    """Return rows of hook points (..., d_i) side by side; on several devices, on the last one."""
    return torch.cat([part.to(parts[-1]) for part in parts], dim=-1) if len(parts) > 1 else parts[0]


def check_fits(dictionary, hook_point):
    """Check that transcoders come with a pair of hook points, and other dictionaries with one.

    Parameters
    ----------
    dictionary : estimator, frozen dictionary or None
        Dictionary to use at the hook point or pair.
    hook_point : str, (str, str) or ((str, ...), str)
        See `split_pair`.

    Raises
    ------
    TypeError
        If the dictionary is None and the hook point is a pair.
    ValueError
        If one is a transcoder or a pair and the other is not, or the dictionary reads blocks of
        another number of hook points or is the transcoder of another block.
    """
    sources, target = split_pair(hook_point)
    _check_blocks(dictionary, hook_point)
    name = type(dictionary).__name__
    if not sources and is_transcoder(dictionary):
        raise ValueError(
            f"hook_point={hook_point!r} is a single hook point, but {name} predicts other rows "
            f"than those that it encodes; pass the two hook points that it reads and predicts, "
            f"such as {EXAMPLE}"
        )
    if sources and dictionary is None:
        raise TypeError(
            f"hook_point={hook_point!r} is a pair but dictionary is None; pass a fitted "
            f"transcoder, or only the hook point {target!r}"
        )
    if sources and not is_transcoder(dictionary):
        raise ValueError(
            f"hook_point={hook_point!r} is a pair, but {name} is not a transcoder: it reconstructs "
            f"the rows that it encodes; pass a transcoder, or only the hook point of these rows"
        )


def _check_blocks(dictionary, hook_point):
    """Raise ValueError unless a dictionary of several hook points edits the one of its block.

    The codes need the rows of all hook points, so only what is computed last can be edited in the
    same pass.
    """
    blocks, (sources, target) = getattr(dictionary, "blocks_", ()), split_pair(hook_point)
    if len(blocks) < 2:
        return
    block = getattr(dictionary, "block_", None)
    if block is not None and len(sources) == len(blocks) and sources[block] == target:
        return
    raise ValueError(
        f"hook_point={hook_point!r} does not suit {type(dictionary).__name__}, which encodes "
        f"{len(blocks)} hook points side by side (blocks={list(map(int, blocks))}); pass "
        f"block_transcoder(dictionary, i), and a pair of all these hook points and the one of "
        f"block i, which the model must compute last, such as "
        f"(('resid_post.1', 'resid_post.2'), 'resid_post.2') for i=1"
    )


def find_pair(model, hook_point):
    """Return what is read before, as a dict of hook points by name, and the hook point to edit.

    Raises
    ------
    ValueError
        If a hook point does not exist.
    """
    sources, target = split_pair(hook_point)
    found = {name: find_hook_point(model, name) for name in sources}
    return found, find_hook_point(model, target)


def check_order(hook_point, values):
    """Raise ValueError if the hook point to edit is computed before one that is read.

    Parameters
    ----------
    hook_point : str, (str, str) or ((str, ...), str)
        See `split_pair`.
    values : dict
        Activations by name, read by `skdict.models.capture` in the order of the model.
    """
    sources, target = split_pair(hook_point)
    order = [name for name in values if name in (*sources, target)]
    if order[-1] != target:
        raise ValueError(
            f"hook_point={hook_point!r}: the model computes {target!r} before {order[-1]!r}; pass "
            f"the hook point that the transcoder reads first"
        )
