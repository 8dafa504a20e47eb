"""Save and load dictionaries in skdict's own format and in those of other libraries.

Floor 4: imports `decomposition`. Loading never runs code.
"""

from skdict.io._dictionary import load_dictionary, save_dictionary
from skdict.io._fit_identity import sha256_of
from skdict.io._resumable_fit import checkpoint_path, fit_resumable
from skdict.io.formats._detection import readable, written
from skdict.io.formats.native._manifest import MANIFEST

__all__ = ["fit_resumable", "load_dictionary", "save_dictionary"]
