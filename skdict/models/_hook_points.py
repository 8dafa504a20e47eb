"""Hook points: their names, and the module inputs and outputs that they stand for."""

import re
from collections import deque
from typing import NamedTuple

import torch
from torch import nn

from skdict.models._encoders import encoder_of
from skdict.models._transformer_lens import explain_transformer_lens

# One configuration may give the decoder and the encoder different numbers of blocks.
N_LAYERS = ("num_hidden_layers", "decoder_layers", "num_decoder_layers")
KINDS = ("resid_pre", "resid_post", "attn_out", "attn_heads", "mlp_out", "mlp_act")
RESIDUAL_KINDS = ("resid_pre", "resid_post", "attn_out", "mlp_out")


class HookPoint(NamedTuple):
    """Module of a model, and the side of it where activations are read or edited.

    Parameters
    ----------
    module : torch.nn.Module
        Module to hook.
    side : {"input", "output"}
        Side of the module: its first input, or its first output.
    """

    module: nn.Module
    side: str


def find_hook_point(model, name):
    """Return the hook point with the given name.

    Parameters
    ----------
    model : PreTrainedModel
        Transformer with a list of blocks, or any model if `name` is a module path. The blocks of
        an encoder-decoder are those of its encoder; pass ``model.get_decoder()`` for the others.
    name : str
        "resid_pre.2" and "resid_post.2" are the residual stream before and after block 2
        (counted from 0); "attn_out.2" and "mlp_out.2" are what its attention and its MLP add to
        that stream; "attn_heads.2" is the concatenated attention heads before the output
        projection; "mlp_act.2" is the hidden activations of the MLP. Any other name is a module
        path from ``model.named_modules()`` and stands for the output of that module.

    Returns
    -------
    HookPoint
        The module to hook, and whether to read its input or its output.

    Raises
    ------
    TypeError
        If the name is not a string.
    ValueError
        If the model has no such hook point; the message lists the names it has.
    """
    if not isinstance(name, str):
        raise TypeError(
            f"hook_point is {type(name).__name__}; pass a string such as 'resid_post.2'"
        )
    if isinstance(model, torch.jit.ScriptModule):
        raise ValueError(
            "model is a TorchScript module, which runs no hooks; pass the model it was made from"
        )
    match = re.fullmatch(rf"({'|'.join(KINDS)})\.(\d+)", name)
    if match is None:
        return HookPoint(_by_path(model, name), "output")
    kind, index = match[1], int(match[2])
    blocks = find_blocks(model)
    if index >= len(blocks):
        raise ValueError(
            f"hook_point={name!r} not found; this model has '{kind}.0' to "
            f"'{kind}.{len(blocks) - 1}'"
        )
    return place_in_block(model, blocks[index], kind)


def hook_points(model):
    """Return the names of all standard hook points of a model, block by block.

    Parameters
    ----------
    model : PreTrainedModel
        Any transformer with a list of blocks.

    Returns
    -------
    list of str
        Names such as "resid_post.2".

    Raises
    ------
    ValueError
        If no list of blocks is found.
    """
    return [f"{kind}.{block}" for block in range(len(find_blocks(model))) for kind in KINDS]


def writes_to_the_residual_stream(name):
    """Return True for hook points that are the residual stream or are added to it."""
    return name.partition(".")[0] in RESIDUAL_KINDS


def place_in_block(model, block, kind):
    """Return one of the hook points of a block.

    The parts of a block are found by structure rather than from a table of model families. The
    attention is the first child with a matching name that contains a matrix multiplication. Its
    last matrix writes to the residual stream, and so does the last matrix outside it.
    """
    if kind in ("resid_pre", "resid_post"):
        return HookPoint(block, "input" if kind == "resid_pre" else "output")
    attention = _attention(model, block)
    inside = set(attention.modules())
    part = "attn" if kind.startswith("attn") else "mlp"
    last = [m for m in _matrices(block) if (m in inside) == (part == "attn")][-1:]
    if not last:
        raise ValueError(
            f"hook_point={kind!r} not found: {type(block).__name__} has no linear module outside "
            f"its attention; pass the path of the module to read"
        )
    if kind in ("attn_heads", "mlp_act"):
        return HookPoint(last[0], "input")
    # In Gemma 2 and 3 a norm follows each part, and its output is what is added to the residual.
    if hasattr(block, "post_feedforward_layernorm"):
        norm = "post_attention_layernorm" if part == "attn" else "post_feedforward_layernorm"
        return HookPoint(getattr(block, norm), "output")
    return HookPoint(last[0], "output")


def _attention(model, block):
    for name, child in block.named_children():
        if "attn" in name or "attention" in name:
            if _matrices(child):
                return child
    children = ", ".join(name for name, _ in block.named_children())
    raise ValueError(
        f"{type(model).__name__} has no attention in its blocks that can be recognised (their "
        f"parts are {children}); pass the path of the module to read"
    )


def _matrices(module):
    """Return the submodules that multiply by one matrix, in order.

    Quantized layers and layers with an adapter (LoRA) are recognised by their `in_features`; the
    matrices inside them are not listed separately. GPT-2 has its own class, `Conv1D`.
    """
    if hasattr(module, "in_features") or type(module).__name__ == "Conv1D":
        return [module]
    return [matrix for child in module.children() for matrix in _matrices(child)]


def _by_path(model, path):
    modules = dict(model.named_modules())
    if path and path in modules:
        return modules[path]
    names = [name for name in modules if name]
    shown = ", ".join(names[:40]) + (f", ... ({len(names)} in all)" if len(names) > 40 else "")
    raise ValueError(
        f"hook_point={path!r} not found; {explain_transformer_lens(path)}pass {', '.join(KINDS)} "
        f"with '.<block>', or the path of a module; this model has {shown}"
    )


def find_blocks(model):
    """Return the transformer blocks: the shallowest module list with one module per layer.

    The search goes by structure, so that no table of model families is needed, and breadth
    first, because mixtures of experts contain deeper lists of the same length.
    """
    config = getattr(model, "config", None)
    if not hasattr(config, "get_text_config"):
        raise ValueError(
            f"{type(model).__name__} has no configuration that gives its number of blocks; pass "
            f"the path of the module to read, one of "
            f"{', '.join(name for name, _ in model.named_children())}, ..."
        )
    text = config.get_text_config()
    n_layers = {n for name in N_LAYERS if (n := getattr(text, name, None))}
    reader = encoder_of(model)
    queue = deque([getattr(reader, "base_model", reader)])
    while queue:
        module = queue.popleft()
        if isinstance(module, nn.ModuleList) and len(module) in n_layers:
            return module
        queue.extend(module.children())
    raise ValueError(
        f"{type(model).__name__} has no list of {' or '.join(map(str, n_layers))} blocks; pass "
        f"the path of the module to read, one of "
        f"{', '.join(name for name, _ in model.named_children())}, ..."
    )
