"""Places found by structure are checked by what they hold."""

from weakref import WeakKeyDictionary

import torch

from skdict.models._hook_points import HookPoint, find_blocks, place_in_block
from skdict.models._hooks import capture

TOLERANCE = 1e-3
_verified = WeakKeyDictionary()


@torch.inference_mode()
def verify_hook_points(model, token_ids):
    """Refuse a model whose attention and MLP outputs do not add up to what its blocks do.

    With x before and y after a block, a what attention and m what the MLP gives: either
    y = x + a + m, or, with norms behind the sums, y = norm(z + m) for z = norm(x + a). Done
    once for each model, on its first and last block.

    Parameters
    ----------
    model : PreTrainedModel
        In evaluation mode.
    token_ids : torch.Tensor of shape (1, n), dtype int64
        What the model is run on.

    Raises
    ------
    ValueError
        If neither holds; the message lists the parts of a block.
    """
    if model in _verified:
        return
    blocks = find_blocks(model)
    for block in {blocks[0], blocks[-1]}:
        _verify_block(model, block, token_ids)
    _verified[model] = True


def _verify_block(model, block, token_ids):
    kinds = ("resid_pre", "resid_post", "attn_out", "mlp_out")
    points = {kind: place_in_block(model, block, kind) for kind in kinds}
    norms = [module for module in block.modules() if "norm" in type(module).__name__.lower()]
    for number, norm in enumerate(norms):
        points |= {(number, side): HookPoint(norm, side) for side in ("input", "output")}
    with capture(points, stop=False) as values:
        model(input_ids=token_ids)
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
