"""Places found by structure are checked by what they hold."""

from weakref import WeakKeyDictionary, ref

import torch

from skdict.models._encoders import encoder_of, text_reader
from skdict.models._hook_points import HookPoint, find_blocks, find_hook_point, place_in_block
from skdict.models._hooks import capture
from skdict.models._padding import run
from skdict.models._placement import input_device
from skdict.models._running import evaluation_mode, hooks_at_rest, one_pass_at_a_time

TOLERANCE = 1e-3
_verified = WeakKeyDictionary()


def verify_hook_points(model, token_ids):
    """Refuse a model whose attention and MLP outputs do not add up to what its blocks do.

    With x before and y after a block, a what attention and m what the MLP gives: either
    y = x + a + m, or, with norms behind the sums, y = norm(z + m) for z = norm(x + a). Done on
    the first and the last block, and again when the modules of the model have changed.

    Parameters
    ----------
    model : PreTrainedModel
        In any mode; of an encoder-decoder the encoder is verified.
    token_ids : torch.Tensor of shape (1, n), dtype int64
        What the model is run on.

    Raises
    ------
    ValueError
        If neither holds; the message lists the parts of a block.
    """
    modules = list(model.modules())
    if [module() for module in _verified.get(model, ())] == modules:
        return
    blocks = find_blocks(model)
    with torch.inference_mode(), hooks_at_rest(), one_pass_at_a_time(model):
        with evaluation_mode(model):
            for block in {blocks[0], blocks[-1]}:
                _verify_block(encoder_of(model), block, token_ids)
    _verified[model] = [ref(module) for module in modules]


def verify_found(model, hook_points, token_ids=None):
    """Verify a model if places are found by its structure, as `verify_hook_points` does.

    Parameters
    ----------
    model : PreTrainedModel
        In any mode.
    hook_points : iterable of str
        What is to be read or edited.
    token_ids : array-like of int, shape (n_tokens,), optional
        What the model is run on; by default the ids from 0 to 7.

    Raises
    ------
    ValueError
        As `verify_hook_points`, and if the model reads no token ids.
    """
    found = [name for name in hook_points if name.startswith(("attn_", "mlp_"))]
    if not found:
        return
    text_reader(model, {name: find_hook_point(model, name) for name in found})
    ids = torch.arange(8) if token_ids is None else torch.as_tensor(token_ids)
    verify_hook_points(model, ids[None].to(input_device(model)))


def _verify_block(model, block, token_ids):
    kinds = ("resid_pre", "resid_post", "attn_out", "mlp_out")
    points = {kind: place_in_block(model, block, kind) for kind in kinds}
    norms = [module for module in block.modules() if "norm" in type(module).__name__.lower()]
    for number, norm in enumerate(norms):
        points |= {(number, side): HookPoint(norm, side) for side in ("input", "output")}
    with capture(points, stop=False) as values:
        run(model, token_ids, torch.ones_like(token_ids))
    if len({"resid_pre", "resid_post", "attn_out", "mlp_out"} & set(values)) == 4:
        shape = values["resid_pre"].shape
        rounding = torch.finfo(values["resid_pre"].dtype).eps
        values = {
            key: value.float().reshape(shape)
            for key, value in values.items()
            if value.numel() == shape.numel()
        }
        values["tolerance"] = max(TOLERANCE, 4 * rounding)
        if _adds_up(values) or _adds_up_behind_norms(values, len(norms)):
            return
    parts = ", ".join(name for name, _ in block.named_modules() if name)
    raise ValueError(
        f"the parts of {type(model).__name__} do not add up to its blocks as in the families that "
        f"are known, so attn_out, attn_heads, mlp_out and mlp_act are not offered; name the "
        f"module to read by its path: a block has {parts}"
    )


def _adds_up(values):
    if not {"attn_out", "mlp_out"} <= set(values):
        return False
    added = values["attn_out"] + values["mlp_out"]
    scale = torch.maximum(added.abs().max(), values["resid_post"].abs().max())
    return _close(values["resid_pre"] + added, values["resid_post"], scale, values)


def _adds_up_behind_norms(values, n_norms):
    if not {"attn_out", "mlp_out"} <= set(values):
        return False
    both = [n for n in range(n_norms) if (n, "input") in values and (n, "output") in values]
    middle = values["resid_pre"] + values["attn_out"]
    for first in both:
        if not _close(values[first, "input"], middle, middle, values):
            continue
        end = values[first, "output"] + values["mlp_out"]
        for last in both:
            if _close(values[last, "input"], end, end, values) and _close(
                values[last, "output"], values["resid_post"], values["resid_post"], values
            ):
                return True
    return False


def _close(left, right, scale, values):
    return bool((left - right).abs().max() <= values["tolerance"] * scale.abs().max())
