"""A model and a dictionary as interventions need them: loaded, frozen, side by side."""

from itertools import chain

import torch
from torch import nn

from skdict._core import AffineDictionary, HostDictionary, resolve_device
from skdict.decomposition import to_torch
from skdict.models import check_tokenizer, input_device, load_model


def loaded_model(model, *, device="auto", revision=None, trust_remote_code=False):
    """Return a model as a module, whatever names it: a name, a folder, a pair, itself."""
    if isinstance(model, nn.Module):
        return model
    return load_model(
        model,
        device=resolve_device(device),
        revision=revision,
        trust_remote_code=trust_remote_code,
    )[0]


def loaded_pair(model, *, device="auto", revision=None, trust_remote_code=False):
    """Return a model and its tokenizer.

    Raises
    ------
    TypeError
        If the model comes without its tokenizer.
    """
    if isinstance(model, nn.Module):
        raise TypeError(
            f"model is a {type(model).__name__} without its tokenizer, and texts are to be read; "
            f"pass the pair (model, tokenizer), a name or a folder"
        )
    loaded, tokenizer = load_model(
        model,
        device=resolve_device(device),
        revision=revision,
        trust_remote_code=trust_remote_code,
    )
    check_tokenizer(tokenizer)
    return loaded, tokenizer


def frozen_dictionary(dictionary, model):
    """Return a dictionary as tensors beside a model: float64 for a float64 model, else float32.

    What is frozen already is moved, so that many interventions with one dictionary can share
    the work of freezing it.
    """
    weights = chain(model.parameters(), model.buffers())
    weight = next((w for w in weights if w.is_floating_point()), None)
    dtype = torch.float64 if weight is not None and weight.dtype == torch.float64 else torch.float32
    if not isinstance(dictionary, (AffineDictionary, HostDictionary)):
        name = str(dtype).removeprefix("torch.")
        dictionary = to_torch(dictionary, device="cpu", dtype=name)
    return dictionary.to(device=input_device(model), dtype=dtype)


def check_width(hook_point, width, dictionary):
    """Refuse a frozen dictionary of another width than what goes through a hook point."""
    if width != len(dictionary.offset):
        raise ValueError(
            f"hook_point={hook_point!r} is {width} wide, and the dictionary was fitted on rows of "
            f"width {len(dictionary.offset)}; fit one on activations of this hook point"
        )
