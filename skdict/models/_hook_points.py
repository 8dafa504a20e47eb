"""Names of places in a model, and the modules whose output is read there."""

import re
from collections import deque

from torch import nn

BLOCK_OUTPUT = re.compile(r"resid_post\.(\d+)")


def find_module(model, hook_point):
    """Return the module whose output is what a hook point names.

    Parameters
    ----------
    model : PreTrainedModel
        Any transformer with a list of blocks, or any model for module paths.
    hook_point : str
        "resid_post.2" is the residual stream after block 2, counted from 0; anything else
        is the path of a module as in ``model.named_modules()``.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    TypeError
        If `hook_point` is not a string.
    ValueError
        If there is no such place; the message lists what there is.
    """
    if not isinstance(hook_point, str):
        raise TypeError(
            f"hook_point is {type(hook_point).__name__}; pass a string such as 'resid_post.2'"
        )
    match = BLOCK_OUTPUT.fullmatch(hook_point)
    if match is None:
        return _by_path(model, hook_point)
    blocks = _find_blocks(model)
    if int(match[1]) >= len(blocks):
        raise ValueError(
            f"hook_point={hook_point!r} not found; this model has 'resid_post.0' to "
            f"'resid_post.{len(blocks) - 1}'"
        )
    return blocks[int(match[1])]


def hook_points(model):
    """Return the names of the places that can be read without a module path, in order."""
    return [f"resid_post.{block}" for block in range(len(_find_blocks(model)))]


def _by_path(model, path):
    modules = dict(model.named_modules())
    if path and path in modules:
        return modules[path]
    names = [name for name in modules if name]
    shown = ", ".join(names[:40]) + (f", ... ({len(names)} in all)" if len(names) > 40 else "")
    raise ValueError(
        f"hook_point={path!r} not found; pass 'resid_post.<block>' or the path of a module; "
        f"this model has {shown}"
    )


def _find_blocks(model):
    """Return the list of transformer blocks: the shallowest of as many modules as layers.

    Structure in place of names, so that families need no table; breadth first, because
    mixtures of experts hold lists of the same length further down.
    """
    n_layers = model.config.get_text_config().num_hidden_layers
    queue = deque([getattr(model, "base_model", model)])
    while queue:
        module = queue.popleft()
        if isinstance(module, nn.ModuleList) and len(module) == n_layers:
            return module
        queue.extend(module.children())
    raise ValueError(
        f"{type(model).__name__} has no list of {n_layers} blocks; name the module to read by "
        f"its path, one of {', '.join(name for name, _ in model.named_children())}, ..."
    )
