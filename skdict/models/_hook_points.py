"""Names of places in a model, and the modules whose input or output is read there."""

import re
from collections import deque
from typing import NamedTuple

import torch
from torch import nn

from skdict.models._encoders import encoder_of

# A decoder may have another number of blocks than its encoder, under one configuration.
N_LAYERS = ("num_hidden_layers", "decoder_layers", "num_decoder_layers")
KINDS = ("resid_pre", "resid_post", "attn_out", "attn_heads", "mlp_out", "mlp_act")
RESIDUAL_KINDS = ("resid_pre", "resid_post", "attn_out", "mlp_out")


class HookPoint(NamedTuple):
    """A place in a model.

    Parameters
    ----------
    module : torch.nn.Module
        The module there.
    side : {"input", "output"}
        What is read of it.
    """

    module: nn.Module
    side: str


def find_hook_point(model, name):
    """Return the place that a name means.

    Parameters
    ----------
    model : PreTrainedModel
        Any transformer with a list of blocks, or any model for module paths. The blocks of an
        encoder-decoder are those of its encoder; ``model.get_decoder()`` has the others.
    name : str
        "resid_pre.2" and "resid_post.2" are the residual stream before and after block 2,
        counted from 0; "attn_out.2" and "mlp_out.2" what its attention and its MLP add;
        "attn_heads.2" the attention heads joined, before the output projection; "mlp_act.2" the
        hidden activations of the MLP. Anything else is the path of a module as in
        ``model.named_modules()``, whose output is read.

    Returns
    -------
    HookPoint
        The module to hook, and whether its input or its output is meant.

    Raises
    ------
    TypeError
        If the name is not a string.
    ValueError
        If there is no such place; the message lists what there is.
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
    """Return the names of all places of a model that have one, block by block.

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
    """Return True for names of places whose value is the residual stream or is added to it."""
    return name.partition(".")[0] in RESIDUAL_KINDS


def place_in_block(model, block, kind):
    """Return a place of a block.

    Parts are found by structure, so that families need no table: attention is the first
    child of that name that multiplies matrices; what it ends with writes to the residual
    stream, and so does what ends the rest of the block.
    """
    if kind in ("resid_pre", "resid_post"):
        return HookPoint(block, "input" if kind == "resid_pre" else "output")
    attention = _attention(model, block)
    inside = set(attention.modules())
    part = "attn" if kind.startswith("attn") else "mlp"
    last = [m for m in _matrices(block) if (m in inside) == (part == "attn")][-1:]
    if not last:
        raise ValueError(
            f"hook_point={kind!r}: {type(block).__name__} has no linear module outside its "
            f"attention; name the module to read by its path"
        )
    if kind in ("attn_heads", "mlp_act"):
        return HookPoint(last[0], "input")
    # With a norm behind each part (Gemma 2 and 3), what it gives is what is added.
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
        f"{type(model).__name__} has no attention in its blocks that could be found (their parts "
        f"are {children}); name the module to read by its path"
    )


def _matrices(module):
    """Return the modules inside a module that multiply by one matrix, in order.

    Quantized and adapted ones (LoRA) are known by their features, and what is inside of them,
    such as the matrices of an adapter, is theirs. GPT-2 multiplies by a class of its own.
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
        f"hook_point={path!r} not found; pass {', '.join(KINDS)} with '.<block>', or the path of "
        f"a module; this model has {shown}"
    )


def find_blocks(model):
    """Return the list of transformer blocks: the shallowest of as many modules as layers.

    Structure in place of names, so that families need no table; breadth first, because
    mixtures of experts hold lists of the same length further down.
    """
    config = getattr(model, "config", None)
    if not hasattr(config, "get_text_config"):
        raise ValueError(
            f"{type(model).__name__} has no configuration that says how many blocks it has; name "
            f"the module to read by its path, one of "
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
        f"{type(model).__name__} has no list of {' or '.join(map(str, n_layers))} blocks; name "
        f"the module to read by its path, one of "
        f"{', '.join(name for name, _ in model.named_children())}, ..."
    )
