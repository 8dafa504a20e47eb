"""Nonlinearities that turn pre-activations into codes, one per file.

To add one, write a file here and add an entry to `NONLINEARITIES`, its defaults to `DEFAULTS` in
`decomposition/_defaults.py`, and its construction from the estimator's parameters to
`decomposition/_activation.py`. Users can pass an instance of their own without any of this.
"""

from skdict._core._nonlinearities.base import Nonlinearity
from skdict._core._nonlinearities.batch_topk import BatchTopK
from skdict._core._nonlinearities.jumprelu import JumpRelu
from skdict._core._nonlinearities.relu import Relu
from skdict._core._nonlinearities.topk import TopK

NONLINEARITIES = {"relu": Relu, "topk": TopK, "batch_topk": BatchTopK, "jumprelu": JumpRelu}

__all__ = ["NONLINEARITIES", "BatchTopK", "JumpRelu", "Nonlinearity", "Relu", "TopK"]
