"""Check that hook points found by structure hold the activations they should."""

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
    """Check that the attention and MLP outputs of a model add up to what its blocks do.

    Let x and y be the input and output of a block, a the output of its attention and m that of
    its MLP. Either y = x + a + m must hold or, with norms after the sums, y = norm(z + m) with
    z = norm(x + a). The first and the last block are checked, and checked again after modules of
    the model have been replaced.

    Parameters
    ----------
    model : PreTrainedModel
        Model in either mode; only the encoder of an encoder-decoder is checked.
    token_ids : torch.Tensor of shape (1, n), dtype int64
        Token ids to run the model on.

    Raises
    ------
    ValueError
        If neither equation holds; the message lists the parts of a block.
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
    """Run `verify_hook_points` if any of the hook points is found by structure.

    Parameters
    ----------
    model : PreTrainedModel
        Model in either mode.
    hook_points : iterable of str
        Names of the hook points to read or edit.
    token_ids : array-like of int, shape (n_tokens,), optional
        Token ids to run the model on; 0 to 7 by default.

    Raises
    ------
    ValueError
        If `verify_hook_points` raises it, or the model does not read token ids.
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
        f"the parts of {type(model).__name__} do not add up to its blocks in any known way, so "
        f"attn_out, attn_heads, mlp_out and mlp_act are not available; pass the path of the "
        f"module to read: a block has {parts}"
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
