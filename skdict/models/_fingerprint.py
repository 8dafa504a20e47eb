"""A hash of everything that determines the activations of a model."""

import functools
from types import FunctionType

import torch
from torch import nn
from torch.nn.modules import module as torch_module

from skdict.models._state_hash import TORCH_OWN, NotHashedError, StateHash, tensor_digests

# Hooks that only read, or whose effect is determined by parameters and buffers.
KNOWN_HOOKS = ("accelerate.", "transformers.", "torch.nn.utils.")
# Set by accelerate to move weights and inputs between devices, which changes no values.
PLACING = ("_hf_hook", "_old_forward", "forward")
TOKENIZER_IGNORED = ("_tokenizer", "sp_model", "chat_template", "vocab_file", "vocab_files")


def fingerprint(model, tokenizer=None):
    """Return a hash of a model in its current state, and of its tokenizer.

    The hash covers parameters and buffers (including quantized ones), the class and settings of
    every module, adapters and which of them are active, and the precision of matrix products.
    Every call reads all weights, so that no change goes unnoticed.

    Parameters
    ----------
    model : Module
        Model on any device.
    tokenizer : PreTrainedTokenizerBase, optional
        Tokenizer of the model.

    Returns
    -------
    str
        Hash that is the same in every process for the same content.

    Raises
    ------
    NotHashedError
        If something cannot be hashed by content: hooks set by other code, a replaced forward
        method, or weights that cannot be accessed.
    """
    model = getattr(model, "_orig_mod", model)
    modules = dict(model.named_modules())
    digests = tensor_digests([*model.parameters(), *model.buffers()])
    state = StateHash({id(module): name for name, module in modules.items()}, digests)
    state.add(_precision(), "precision")
    _refuse_hooks("the torch library", vars(torch_module), "_global")
    for name, module in modules.items():
        _add_module(state, module, name or type(model).__name__)
    if tokenizer is not None:
        _add_tokenizer(state, tokenizer)
    return state.hexdigest()


def _precision():
    """Return the process-wide settings that determine the precision of matrix products."""
    devices = [
        (device, str(torch.get_autocast_dtype(device)))
        for device in ("cpu", "cuda")
        if torch.is_autocast_enabled(device)
    ]
    return [devices, torch.get_float32_matmul_precision()]


def _add_module(state, module, name):
    _refuse_hooks(name, vars(module))
    own = {key: value for key, value in vars(module).items() if key not in TORCH_OWN}
    if "_orig_mod" in module._modules:
        # The wrapper made by torch.compile; the module inside it is hashed separately.
        own = {}
    if type(own.get("_hf_hook")).__module__.startswith("accelerate."):
        own = {key: value for key, value in own.items() if key not in PLACING}
    if "forward" in own:
        raise NotHashedError(f"the forward method of {name} has been replaced")
    kind = type(module)
    state.add([name, kind, _code_of(kind.forward)], name)
    for values in (module._parameters, module._buffers):
        state.add(in_memory(values, vars(module).get("_hf_hook")), name)
    if kind._save_to_state_dict is not nn.Module._save_to_state_dict:
        # Packed weights are not parameters, and only the module itself can unpack them.
        packed = {}
        module._save_to_state_dict(packed, "", False)
        state.add(packed, name)
        own = {key: v for key, v in own.items() if not isinstance(v, torch.ScriptObject)}
    state.add(own, name)


def in_memory(weights, hook):
    """Return weights by name, reading those that accelerate has offloaded from its store."""
    maps = [getattr(h, "weights_map", None) for h in (hook, *getattr(hook, "hooks", ()))]
    kept = next((m for m in maps if m is not None), None)
    return {
        name: kept[name] if kept is not None and weight is not None and weight.is_meta else weight
        for name, weight in weights.items()
    }


def _code_of(forward):
    """Return the code of a class's forward method without the decorators around it."""
    while hasattr(forward, "__wrapped__"):
        forward = forward.__wrapped__
    return forward.__code__ if isinstance(forward, FunctionType) else forward


def _refuse_hooks(name, attributes, prefix=""):
    for kind in ("_forward_pre_hooks", "_forward_hooks"):
        for hook in attributes[prefix + kind].values():
            hook = hook.func if isinstance(hook, functools.partial) else hook
            source = getattr(hook, "__module__", None) or type(hook).__module__
            if not f"{source}.".startswith(KNOWN_HOOKS):
                told = getattr(hook, "__qualname__", type(hook).__qualname__)
                raise NotHashedError(f"a hook is set on {name} ({source}.{told})")


def _add_tokenizer(state, tokenizer):
    backend = getattr(tokenizer, "backend_tokenizer", None)
    pieces = backend.to_str() if hasattr(backend, "to_str") else None
    if pieces is None and hasattr(tokenizer, "get_vocab"):
        pieces = sorted(tokenizer.get_vocab().items())
    model = getattr(tokenizer, "sp_model", None)
    state.add([type(tokenizer), pieces], "the tokenizer")
    state.add(model and model.serialized_model_proto(), "the tokenizer")
    own = {
        k: v for k, v in getattr(tokenizer, "__dict__", {}).items() if k not in TOKENIZER_IGNORED
    }
    state.add(dict(sorted(own.items())), "the tokenizer")
