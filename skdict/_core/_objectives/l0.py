r"""Penalties on the number of codes that fire: :math:`P(c) = \alpha \|c\|_0`, or a target."""

import torch

from skdict._core._objectives.penalty import Penalty


class L0(Penalty):
    """Penalty alpha (its strength) times the number of codes."""

    counts = True

    def row_slopes(self, factors):
        """Return zeros, because the size of codes is not penalised."""
        return torch.zeros_like(factors)

    def gate_slopes(self, factors, l0):
        """Return alpha times the factors of the rows."""
        return self.strength * factors

    def penalties(self, value_sums, counts, l0):
        """Return alpha times the number of codes of each row."""
        return self.strength * counts


class TargetL0(L0):
    r"""Penalty :math:`(\bar L / L^* - 1)^2` on the mean number :math:`\bar L` of codes of a batch.

    Parameters
    ----------
    target : float or torch.Tensor of shape (stack, 1)
        Target L0 :math:`L^*`.
    strength : float or torch.Tensor of shape (stack, 1), default=1.0
        Weight of the penalty.
    """

    def __init__(self, target, strength=1.0):
        super().__init__(strength)
        self.target = target

    @property
    def alpha(self):
        """Zero, because the target replaces alpha."""
        return 0.0

    def gate_slopes(self, factors, l0):
        """Return the derivative of the penalty in the mean, times the factors of the rows."""
        return self.strength * 2 * (l0 / self.target - 1) / self.target * factors

    def penalties(self, value_sums, counts, l0):
        """Return the penalty of the batch, repeated for each row."""
        return (self.strength * (l0 / self.target - 1) ** 2).expand_as(counts)

    def stacked(self, several, like):
        """Return a penalty for a stack; `follow` fills in its values."""
        return TargetL0(*like.new_empty(2, len(several), 1))

    def follow(self, several):
        """Copy the strengths and targets of the penalties in a stack."""
        super().follow(several)
        for i, one in enumerate(several):
            self.target[i] = one.target
