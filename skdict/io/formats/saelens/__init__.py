"""Read and write SAELens 6 directories of the supported architectures."""

from skdict.io.formats.saelens._names import CONFIG as MARKER
from skdict.io.formats.saelens._reading import matches, read
from skdict.io.formats.saelens._writing import write

__all__ = ["MARKER", "matches", "read", "write"]
