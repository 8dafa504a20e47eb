"""Pre-activations to codes: one file for each nonlinearity.

A new one is a file here and an entry in `NONLINEARITIES`; its defaults are an entry of `DEFAULTS`
in `decomposition/_defaults.py`, and what it takes from the estimator is said in
`decomposition/_activation.py`. Users can pass one of their own without either.
"""

from skdict._core._nonlinearities.base import Nonlinearity
from skdict._core._nonlinearities.batch_topk import BatchTopK
from skdict._core._nonlinearities.jumprelu import JumpRelu
from skdict._core._nonlinearities.relu import Relu
from skdict._core._nonlinearities.topk import TopK

NONLINEARITIES = {"relu": Relu, "topk": TopK, "batch_topk": BatchTopK, "jumprelu": JumpRelu}

__all__ = ["NONLINEARITIES", "BatchTopK", "JumpRelu", "Nonlinearity", "Relu", "TopK"]
