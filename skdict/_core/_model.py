"""What is trained, and towards what."""

from dataclasses import dataclass, field

import torch

from skdict._core._group import Alone
from skdict._core._objectives import Levels
from skdict._core._tensors import Tensors


@dataclass
class Model:
    """A dictionary in training.

    Parameters
    ----------
    tensors : Tensors
        Trained in place.
    nonlinearity : nonlinearity
        Pre-activations to codes.
    penalty : penalty term
        On codes.
    levels : Levels
        Prefixes whose squared errors count.
    group : Alone or another group
        Processes that share each batch.
    """

    tensors: Tensors
    nonlinearity: object
    penalty: object
    levels: Levels
    group: object = field(default_factory=Alone)

    def codes(self, x):
        """Return all codes of rows x (n, d), as in training."""
        tensors, nonlinearity = self.tensors, self.nonlinearity
        pre = torch.addmm(tensors.bias, x, tensors.encoder.T)
        nonlinearity.select(pre, x.new_ones(len(x), dtype=torch.bool), Alone())
        return nonlinearity.values(pre, {name: tensors[name] for name in nonlinearity.learned(0)})
