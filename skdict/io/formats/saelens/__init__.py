"""Read SAELens directories, and write those of SAELens 6."""

from skdict.io.formats.saelens._names import CONFIG as MARKER
from skdict.io.formats.saelens._names import FILES
from skdict.io.formats.saelens._reading import matches, read
from skdict.io.formats.saelens._writing import write

__all__ = ["FILES", "MARKER", "matches", "read", "write"]
