"""The base class of penalties on codes."""

from abc import ABC, abstractmethod


class Penalty(ABC):
    """Base class of penalties on codes; the package docstring describes the members.

    Parameters
    ----------
    strength : float or torch.Tensor of shape (stack, 1)
        Factor on the penalty.
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
        """Return the gradient with respect to each code that fires in a row, (..., n)."""

    def gate_slopes(self, factors, l0):
        """Return None, because the penalty does not depend on how many codes fire."""
        return None

    @abstractmethod
    def penalties(self, value_sums, counts, l0):
        """Return the penalty of each row, (..., n)."""

    def stacked(self, several, like):
        """Return a penalty for a stack; `follow` fills in its values."""
        return type(self)(like.new_empty(len(several), 1))

    def follow(self, several):
        """Copy the strengths of the penalties in a stack."""
        for i, one in enumerate(several):
            self.strength[i] = one.strength
