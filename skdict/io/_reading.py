"""Reading files that may be damaged."""

import json

from safetensors import SafetensorError
from safetensors.numpy import load


def read_json(path):
    """Return the object in a JSON file, or say that it is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is not JSON ({error}); was it cut off?") from error
    if not isinstance(content, dict):
        raise ValueError(f"{str(path)!r} holds {type(content).__name__} where an object is due")
    return content


def read_tensors(path):
    """Return the arrays in a safetensors file, or say that it is none."""
    try:
        return load(path.read_bytes())
    except (SafetensorError, FileNotFoundError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as safetensors ({error}); pickles are never loaded"
        ) from error
