"""Directories of SAELens 6: the architectures that have a counterpart here, both ways."""

from skdict.io.formats.saelens._names import CONFIG
from skdict.io.formats.saelens._reading import read
from skdict.io.formats.saelens._writing import write

__all__ = ["CONFIG", "read", "write"]
