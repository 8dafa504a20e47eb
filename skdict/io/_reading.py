"""Reading files that may be damaged."""

import json

from safetensors import SafetensorError
from safetensors.torch import load


def read_json(path):
    """Return the object in a JSON file, or refuse other content."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is not JSON ({error}); was it cut off?") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{str(path)!r} holds {type(content).__name__} where an object is expected"
        )
    return content


def read_tensors(path):
    """Return the arrays in a safetensors file, half precision as float32."""
    try:
        tensors = load(path.read_bytes())
        return {k: (t if t.itemsize > 2 else t.float()).numpy() for k, t in tensors.items()}
    except (SafetensorError, FileNotFoundError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be read as safetensors ({error}); pickles are never loaded"
        ) from error
