"""Directories of SAELens 6: the architectures that have a counterpart here, both ways."""

from skdict.io.formats.saelens._names import CONFIG as MARKER
from skdict.io.formats.saelens._reading import matches, read
from skdict.io.formats.saelens._writing import write

__all__ = ["MARKER", "matches", "read", "write"]
