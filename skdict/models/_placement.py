"""The precision of a model's weights and the devices that hold them."""

from importlib.util import find_spec
from itertools import chain

import torch

MODEL_DTYPES = ("auto", "float32", "bfloat16")


def check_placement(model_dtype, device, device_map):
    """Check the precision and the device placement of a model to load.

    Parameters
    ----------
    model_dtype : {"auto", "float32", "bfloat16"}
        Precision of the weights.
    device : torch.device, str or None
        Device of the whole model.
    device_map : dict, "auto" or None
        Device of each module.

    Raises
    ------
    TypeError
        If `device_map` has the wrong type.
    ValueError
        If a value is not accepted, or if both `device` and `device_map` are given.
    ImportError
        If `device_map` is given and accelerate is not installed.
    """
    if model_dtype not in MODEL_DTYPES:
        raise ValueError(
            f"model_dtype={model_dtype!r} is not accepted: pass one of "
            f"{', '.join(map(repr, MODEL_DTYPES))}"
        )
    if device_map is None:
        return
    accepted = "pass None, 'auto', or a dict from module paths to devices, such as {'': 'cpu'}"
    if not isinstance(device_map, (str, dict)):
        raise TypeError(f"device_map={device_map!r} is not accepted: {accepted}")
    if not device_map or (isinstance(device_map, str) and device_map != "auto"):
        raise ValueError(f"device_map={device_map!r} is not accepted: {accepted}")
    if device is not None:
        raise ValueError(
            f"device={str(device)!r} and device_map={device_map!r} both say where the model runs; "
            f"pass only one of them"
        )
    if find_spec("accelerate") is None:
        raise ImportError(
            f"device_map={device_map!r} needs the package accelerate; install it with "
            f"pip install 'skdict[gguf]'"
        )


def check_used_as_loaded(model, model_dtype, device_map, trust_remote_code=False):
    """Check that no loading option is given for a model that is already loaded.

    Parameters
    ----------
    model : PreTrainedModel
        Loaded model, which is used as is.
    model_dtype : str
        Must be the default, "float32", which keeps the model in its own precision.
    device_map : object
        Must be None.
    trust_remote_code : bool
        Must be False.

    Raises
    ------
    ValueError
        If an option differs from its default.
    """
    given = {
        "model_dtype": (model_dtype, "float32"),
        "device_map": (device_map, None),
        "trust_remote_code": (trust_remote_code, False),
    }
    for name, (value, default) in given.items():
        if value != default:
            raise ValueError(
                f"{name}={value!r} applies to models given by name, folder or file, but model is "
                f"an already loaded {type(model).__name__}; load it with that option yourself, or "
                f"leave {name} at {default!r}"
            )


def input_embedding(model):
    """Return the module that embeds token ids, or None if the model declares none."""
    try:
        return model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None


def embedding_of(model):
    """Return the module that embeds token ids, or the model itself if it declares none."""
    found = input_embedding(model)
    return model if found is None else found


def input_device(model):
    """Return the device that token ids must be on.

    Parameters
    ----------
    model : Module
        Any model. If it is spread over several devices, the device of its embedding counts.

    Returns
    -------
    torch.device
        Device for token ids; the CPU for a model without weights.
    """
    for module in chain(embedding_of(model).modules(), model.modules()):
        # Offloaded weights have no device; accelerate's hook stores where they are brought.
        device = getattr(getattr(module, "_hf_hook", None), "execution_device", None)
        weights = chain(module.parameters(recurse=False), module.buffers(recurse=False))
        weight = next((w.device for w in weights if w.device.type != "meta"), None)
        if device is not None or weight is not None:
            return torch.device(device if device is not None else weight)
    return torch.device("cpu")
