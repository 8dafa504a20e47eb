"""Native format: all fitted attributes, arrays in safetensors and the rest in JSON."""

from skdict.io.formats.native._manifest import CLASSES, FILES
from skdict.io.formats.native._manifest import MANIFEST as MARKER
from skdict.io.formats.native._reading import matches, read, read_in_parts
from skdict.io.formats.native._writing import plain_params, write

__all__ = [
    "CLASSES",
    "FILES",
    "MARKER",
    "matches",
    "plain_params",
    "read",
    "read_in_parts",
    "write",
]
