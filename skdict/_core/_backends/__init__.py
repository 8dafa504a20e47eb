"""Ways to do a step: over all entries, or over few of them in torch operations or compiled loops.

Each finds codes (`encode`), rebuilds rows (`decode`), gives the slope of the loss along entries
(`slopes`) and gradients of directions (`accumulate`); see `Backend`. They agree to rounding.
"""

from skdict._core._backends.base import Backend
from skdict._core._backends.compiled import Compiled
from skdict._core._backends.compiled_finder import is_compiled
from skdict._core._backends.dense import Dense
from skdict._core._backends.portable import Portable

__all__ = ["Backend", "Compiled", "Dense", "Portable", "is_compiled"]
