"""What the penalties on codes share."""

from abc import ABC, abstractmethod


class Penalty(ABC):
    """A penalty with a strength; the protocol is that of the package.

    Parameters
    ----------
    strength : float or torch.Tensor of shape (stack, 1)
        Multiplies it.
    """

    counts = False

    def __init__(self, strength):
        self.strength = strength

    @property
    def alpha(self):
        """The strength."""
        return self.strength

    @abstractmethod
    def row_slopes(self, factors):
        """Return the slope along every code that fires in a row, (..., n)."""

    def gate_slopes(self, factors, l0):
        """Return None: nothing depends on how many codes fire."""
        return None

    @abstractmethod
    def penalties(self, value_sums, counts, l0):
        """Return the penalty of each row, (..., n)."""

    def stacked(self, several, like):
        """Return one for a stack, which is to follow `several`."""
        return type(self)(like.new_empty(len(several), 1))

    def follow(self, several):
        """Take over the strengths of a stack's penalties."""
        for i, one in enumerate(several):
            self.strength[i] = one.strength
