"""Back ends of a training step: dense, or sparse with torch operations or compiled loops.

Each back end computes codes (`encode`), reconstructions (`decode`), the gradient with respect to
entries (`slopes`) and the gradients of directions (`accumulate`); see `Backend`. Their results
agree up to rounding.
"""

from skdict._core._backends.base import Backend
from skdict._core._backends.compiled import Compiled
from skdict._core._backends.compiled_finder import is_compiled
from skdict._core._backends.dense import Dense
from skdict._core._backends.portable import Portable

__all__ = ["Backend", "Compiled", "Dense", "Portable", "is_compiled"]
