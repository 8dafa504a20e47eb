"""Run one block of a model and check that its attention and MLP outputs add up to its output."""

from contextlib import ExitStack

import torch

from skdict.models._hook_points import HookPoint, norms_of, place_in_block
from skdict.models._hooks import capture, hook
from skdict.models._padding import run

TOLERANCE = 1e-3
SUMMED = ("resid_pre", "resid_post", "attn_out", "mlp_out")


def block_values(model, block, token_ids, *others, rewrite=None, stop=True):
    """Return the activations at the hook points and norms of a block, all in one shape.

    Parameters
    ----------
    model : Module
        Model that reads texts.
    block : Module
        Block of the model.
    token_ids : torch.Tensor of shape (1, n_tokens), dtype int64
        Token ids to run the model on.
    *others : str
        Kinds of hook point to read besides those that are added up.
    rewrite : (HookPoint, callable), optional
        Hook point to edit in the pass, and a function from its activations to new ones.
    stop : bool, default=True
        If True, end the pass behind the block. If False, run it to its end, so that a module
        that runs twice raises `ValueError`.

    Returns
    -------
    dict
        Float32 tensors of shape (1, n_tokens, width) by kind of hook point and, for norms, by
        (number of the norm, side), and "tolerance", the relative error to allow for. Activations
        that were not read or have another width are missing.
    """
    points = {kind: place_in_block(model, block, kind) for kind in (*SUMMED, *others)}
    for number, norm in enumerate(norms_of(block)):
        points |= {(number, side): HookPoint(norm, side) for side in ("input", "output")}
    with ExitStack() as stack:
        if rewrite is not None:
            stack.callback(hook(*rewrite).remove)
        values = stack.enter_context(capture(points, stop=stop))
        run(model, token_ids, torch.ones_like(token_ids))
    if "resid_pre" not in values:
        return {}
    shape = values["resid_pre"].shape
    rounding = torch.finfo(values["resid_pre"].dtype).eps
    same = {
        key: value.float().reshape(shape)
        for key, value in values.items()
        if value.numel() == shape.numel()
    }
    return same | {"tolerance": max(TOLERANCE, 4 * rounding)}


def adds_up(values):
    """Return True if the values of a block add up, without or with norms after the sums."""
    return set(SUMMED) <= set(values) and (is_plain_sum(values) or _adds_up_behind_norms(values))


def is_plain_sum(values):
    """Return True if the output of a block is its input plus the outputs of its parts."""
    if not set(SUMMED) <= set(values):
        return False
    added = values["attn_out"] + values["mlp_out"]
    scale = torch.maximum(added.abs().max(), values["resid_post"].abs().max())
    return is_close(values["resid_pre"] + added, values["resid_post"], scale, values)


def _adds_up_behind_norms(values):
    numbers = {key[0] for key in values if isinstance(key, tuple)}
    both = [n for n in sorted(numbers) if (n, "input") in values and (n, "output") in values]
    middle = values["resid_pre"] + values["attn_out"]
    for first in both:
        if not is_close(values[first, "input"], middle, middle, values):
            continue
        end = values[first, "output"] + values["mlp_out"]
        for last in both:
            if is_close(values[last, "input"], end, end, values) and is_close(
                values[last, "output"], values["resid_post"], values["resid_post"], values
            ):
                return True
    return False


def is_close(left, right, scale, values):
    """Return True if two tensors differ by at most the tolerance times the largest `scale`."""
    return bool((left - right).abs().max() <= values["tolerance"] * scale.abs().max())
