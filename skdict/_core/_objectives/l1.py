r"""The L1 penalty :math:`P(c) = \alpha \|c\|_1` on non-negative codes."""

from skdict._core._objectives.penalty import Penalty


class L1(Penalty):
    """Penalty alpha (its strength) times the sum of the codes."""

    def row_slopes(self, factors):
        """Return alpha times the factors of the rows."""
        return self.strength * factors

    def penalties(self, value_sums, counts, l0):
        """Return alpha times the sum of the codes of each row."""
        return self.strength * value_sums
