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
KINDS = (
    "resid_pre",
    "resid_mid",
    "resid_post",
    "attn_out",
    "attn_heads",
    "mlp_in",
    "mlp_out",
    "mlp_act",
)
RESIDUAL_KINDS = ("resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out")
# Options by which a family runs attention and MLP of a block side by side (GPT-NeoX, Falcon).
PARALLEL = ("use_parallel_residual", "parallel_attn")


class HookPoint(NamedTuple):
    """Module of a model, and the side of it where activations are read or edited.

    Parameters
    ----------
    module : torch.nn.Module
        Module to hook.
    side : {"input", "output"}
        Side of the module: its first input, or its first output.
    block : torch.nn.Module or None, default=None
        Block whose first input is added to the activations. The sum of the input of a block and
        the output of its attention is the residual stream between attention and MLP, which is
        neither the input nor the output of any one module.
    """

    module: nn.Module
    side: str
    block: nn.Module | None = None


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
        that stream; "resid_mid.2" is the stream between the two, the sum of "resid_pre.2" and
        "attn_out.2"; "attn_heads.2" is the concatenated attention heads before the output
        projection; "mlp_in.2" is the input of the MLP, after any norm; "mlp_act.2" is the hidden
        activations of the MLP. Any other name is a module path from ``model.named_modules()``
        and stands for the output of that module.

    Returns
    -------
    HookPoint
        The module to hook, and whether to read its input or its output.

    Raises
    ------
    TypeError
        If the name is not a string.
    ValueError
        If the model has no such hook point; the message lists the names it has. Blocks that run
        attention and MLP in parallel have no "resid_mid".
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

    Blocks that run attention and MLP in parallel have no "resid_mid".

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
    n_blocks, parallel = len(find_blocks(model)), runs_in_parallel(model)
    return [
        f"{kind}.{block}"
        for block in range(n_blocks)
        for kind in KINDS
        if kind != "resid_mid" or not parallel
    ]


def writes_to_the_residual_stream(name):
    """Return True for hook points that are the residual stream or are added to it."""
    return name.partition(".")[0] in RESIDUAL_KINDS


def place_in_block(model, block, kind):
    """Return one of the hook points of a block.

    The parts of a block are found by structure rather than from a table of model families. The
    attention is the first child with a matching name that contains a matrix multiplication; the
    MLP is all children that contain one and whose names do not match. The last matrix of each
    writes to the residual stream. A gated MLP reads its input twice, so the input of the MLP is
    that of the whole child, or of the first matrix where there are several (OPT, BERT).
    """
    if kind in ("resid_pre", "resid_post"):
        return HookPoint(block, "input" if kind == "resid_pre" else "output")
    if kind == "resid_mid":
        if runs_in_parallel(model):
            raise ValueError(explain_parallel(model))
        return place_in_block(model, block, "attn_out")._replace(block=block)
    attention = _attention(model, block)
    part = "attn" if kind.startswith("attn") else "mlp"
    children = [attention] if part == "attn" else _mlp(block)
    matrices = [matrix for child in children for matrix in _matrices(child)]
    if not matrices:
        raise ValueError(
            f"hook_point={kind!r} not found: {type(block).__name__} has no linear module outside "
            f"its attention; pass the path of the module to read"
        )
    if kind == "mlp_in":
        return HookPoint(children[0] if len(children) == 1 else matrices[0], "input")
    if kind in ("attn_heads", "mlp_act"):
        return HookPoint(matrices[-1], "input")
    # In Gemma 2 and 3 a norm follows each part, and its output is what is added to the residual.
    if hasattr(block, "post_feedforward_layernorm"):
        norm = "post_attention_layernorm" if part == "attn" else "post_feedforward_layernorm"
        return HookPoint(getattr(block, norm), "output")
    return HookPoint(matrices[-1], "output")


def explain_parallel(model):
    """Return the error message for a "resid_mid" that does not exist."""
    return (
        f"the blocks of {type(model).__name__} have no resid_mid: their attention and MLP run in "
        f"parallel, both on resid_pre, so there is no residual stream between them; pass "
        f"resid_pre, mlp_in (what the MLP reads) or resid_post"
    )


def norms_of(module):
    """Return the norms among the submodules of a module, in order."""
    return [m for m in module.modules() if "norm" in type(m).__name__.lower()]


def runs_in_parallel(model):
    """Return True if the attention and the MLP of each block both read the input of the block.

    Such blocks are an option of the configuration, or have one norm for both parts. In
    ModernBERT, only the first block has a single norm.
    """
    config = model.config.get_text_config()
    if any(getattr(config, name, False) for name in PARALLEL):
        return True
    return all(len(norms_of(block)) == 1 for block in find_blocks(model))


def _attention(model, block):
    for name, child in block.named_children():
        if _names_attention(name) and _matrices(child):
            return child
    children = ", ".join(name for name, _ in block.named_children())
    raise ValueError(
        f"{type(model).__name__} has no attention in its blocks that can be recognised (their "
        f"parts are {children}); pass the path of the module to read"
    )


def _mlp(block):
    return [
        child
        for name, child in block.named_children()
        if not _names_attention(name) and _matrices(child)
    ]


def _names_attention(name):
    return "attn" in name or "attention" in name


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
