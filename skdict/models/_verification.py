"""Check that hook points found by structure hold the activations they should."""

from weakref import WeakKeyDictionary, ref

import torch

from skdict.models._block_sums import adds_up, block_values, is_close
from skdict.models._encoders import encoder_of, text_reader
from skdict.models._hook_points import (
    explain_parallel,
    find_blocks,
    find_hook_point,
    norms_of,
    place_in_block,
)
from skdict.models._placement import input_device
from skdict.models._running import evaluation_mode, hooks_at_rest, one_pass_at_a_time

FOUND = ("attn_out", "attn_heads", "mlp_out", "mlp_act", "resid_mid", "mlp_in")
# Smallest relative change of the input of the MLP by which it counts as reading the attention.
MIN_CHANGE = 0.1
_verified = WeakKeyDictionary()


def verify_hook_points(model, token_ids, kinds=()):
    """Check that the attention and MLP outputs of a model add up to what its blocks do.

    Let x and y be the input and output of a block, a the output of its attention and m that of
    its MLP. Either y = x + a + m must hold or, with norms after the sums, y = norm(z + m) with
    z = norm(x + a). The first and the last block are checked, and checked again after modules of
    the model have been replaced.

    Two hook points are checked by rewriting them as well, after which the same equations must
    hold. "mlp_in": with its rows in reverse order, so are those of m. "resid_mid": with each of
    its rows reversed, the input of the MLP changes.

    Parameters
    ----------
    model : PreTrainedModel
        Model in either mode; only the encoder of an encoder-decoder is checked.
    token_ids : torch.Tensor of shape (1, n), dtype int64
        Token ids to run the model on; at least two for "mlp_in".
    kinds : iterable of str, default=()
        Hook points that are needed, without the number of the block. "mlp_in" and "resid_mid"
        are checked only if they are among them.

    Raises
    ------
    ValueError
        If neither equation holds, or rewriting does not have this effect; the message lists the
        parts of a block.
    """
    modules, verified = list(model.modules()), _verified.get(model, {})
    due = [
        check
        for name, check in CHECKS.items()
        if (name == "sums" or name in kinds)
        and [module() for module in verified.get(check, ())] != modules
    ]
    if not due:
        return
    blocks = find_blocks(model)
    with torch.inference_mode(), hooks_at_rest(), one_pass_at_a_time(model):
        with evaluation_mode(model):
            for check in due:
                for block in {blocks[0], blocks[-1]}:
                    check(encoder_of(model), block, token_ids)
    _verified[model] = verified | {check: [ref(module) for module in modules] for check in due}


def verify_found(model, hook_points, token_ids=None):
    """Run `verify_hook_points` if any of the hook points is found by structure.

    Parameters
    ----------
    model : PreTrainedModel
        Model in either mode.
    hook_points : iterable of str
        Names of the hook points to read or edit.
    token_ids : array-like of int, shape (n_tokens,), optional
        Token ids to run the model on; 0 to 7 by default, or if there are fewer than two.

    Raises
    ------
    ValueError
        If `verify_hook_points` raises it, or the model does not read token ids.
    """
    found = [name for name in hook_points if name.startswith(FOUND)]
    if not found:
        return
    text_reader(model, {name: find_hook_point(model, name) for name in found})
    few = token_ids is None or len(token_ids) < 2
    ids = torch.arange(8) if few else torch.as_tensor(token_ids)
    kinds = {name.partition(".")[0] for name in found}
    verify_hook_points(model, ids[None].to(input_device(model)), kinds)


def _check_sums(model, block, token_ids):
    if not adds_up(block_values(model, block, token_ids, stop=False)):
        raise ValueError(
            f"the parts of {type(model).__name__} do not add up to its blocks in any known way, so "
            f"{', '.join(FOUND)} are not available; {_name_parts(block)}"
        )


def _check_mlp_in(model, block, token_ids):
    point = place_in_block(model, block, "mlp_in")
    plain = block_values(model, block, token_ids, "mlp_in")
    moved = block_values(model, block, token_ids, rewrite=(point, lambda value: value.flip(-2)))
    expected = plain["mlp_out"].flip(-2)
    if (
        "mlp_in" not in plain
        or _has_norm(point.module, block, plain)
        or not adds_up(moved)
        or not is_close(moved["mlp_out"], expected, expected, plain)
    ):
        raise ValueError(
            f"mlp_in is not available, because the input of the MLP of {type(model).__name__} was "
            f"not found: reordering the rows of what seems to be it does not reorder those of "
            f"mlp_out, or its norm is part of the MLP; {_name_parts(block)}"
        )


def _has_norm(module, block, values):
    """Return True if a norm inside the MLP reads its input."""
    inside = set(module.modules())
    return any(
        norm in inside and torch.equal(values[number, "input"], values["mlp_in"])
        for number, norm in enumerate(norms_of(block))
        if (number, "input") in values
    )


def _check_resid_mid(model, block, token_ids):
    point = place_in_block(model, block, "resid_mid")
    plain = block_values(model, block, token_ids, "mlp_in")
    # Reversing each row keeps its norm, which differs a lot between rows of real models.
    moved = block_values(
        model, block, token_ids, "mlp_in", rewrite=(point, lambda value: value.flip(-1))
    )
    if "mlp_in" not in plain or not adds_up(moved):
        raise ValueError(
            f"resid_mid is not available, because the residual stream between attention and MLP "
            f"of {type(model).__name__} was not found: rewriting what seems to be it does not "
            f"rewrite what the block adds up; {_name_parts(block)}"
        )
    change = (moved["mlp_in"] - plain["mlp_in"]).norm()
    if change <= MIN_CHANGE * plain["mlp_in"].norm():
        raise ValueError(explain_parallel(model))


def _name_parts(block):
    parts = ", ".join(name for name, _ in block.named_modules() if name)
    return f"pass the path of the module to read: a block has {parts}"


CHECKS = {"sums": _check_sums, "mlp_in": _check_mlp_in, "resid_mid": _check_resid_mid}
