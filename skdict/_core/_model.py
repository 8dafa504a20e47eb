"""A dictionary in training and its objective."""

from dataclasses import dataclass

import torch

from skdict._core._group import ALONE
from skdict._core._objectives import Levels
from skdict._core._tensors import Tensors


@dataclass
class Model:
    """Dictionary in training: its tensors, nonlinearity and objective.

    Parameters
    ----------
    tensors : Tensors
        Tensors to train in place.
    nonlinearity : Nonlinearity
        Map from pre-activations to codes.
    penalty : Penalty
        Sparsity penalty on the codes.
    levels : Levels
        Nested prefixes whose squared errors enter the loss.
    group : Alone or another group
        Processes that share each batch or hold further features.
    """

    tensors: Tensors
    nonlinearity: object
    penalty: object
    levels: Levels
    group: object = ALONE

    def codes(self, x):
        """Return the dense codes of rows x (n, d), as computed in training."""
        tensors, nonlinearity = self.tensors, self.nonlinearity
        pre = torch.addmm(tensors.bias, x, tensors.encoder.T)
        # All processes see these rows, so only features are selected from together.
        nonlinearity.select(pre, x.new_ones(len(x), dtype=torch.bool), self.group.features)
        return nonlinearity.values(pre, {name: tensors[name] for name in nonlinearity.learned(0)})

    def residual(self, x, target=None):
        """Return targets (n, d_out), by default the rows x, minus their reconstruction from x."""
        target, parts = x if target is None else target, []
        # A few rows at a time, because the dense codes of all rows would be a large array.
        for rows, due in zip(x.split(512), target.split(512), strict=True):
            rebuilt = self.codes(rows) @ self.tensors.components
            self.group.features.sum_([rebuilt])
            part = due - rebuilt
            parts.append(part - rows @ self.tensors["skip"] if "skip" in self.tensors else part)
        return torch.cat(parts)
