r"""The L1 norm of codes: :math:`P(c) = \alpha \|c\|_1`, for codes that are not negative."""


class L1:
    """Penalty alpha times the sum of codes; the protocol is that of the package.

    Parameters
    ----------
    strength : float or torch.Tensor of shape (stack, 1)
        Alpha.
    """

    counts = False

    def __init__(self, strength):
        self.strength = strength

    @property
    def alpha(self):
        """The strength."""
        return self.strength

    def row_slopes(self, factors):
        """Return alpha times the factors of the rows."""
        return self.strength * factors

    def gate_slopes(self, factors, l0):
        """Return None: nothing depends on how many codes fire."""
        return None

    def penalties(self, value_sums, counts, l0):
        """Return alpha times the sum of codes of each row."""
        return self.strength * value_sums

    def stacked(self, several, like):
        """Return one for a stack, which is to follow `several`."""
        return L1(like.new_empty(len(several), 1))

    def follow(self, several):
        """Take over the strengths of a stack's penalties."""
        for i, one in enumerate(several):
            self.strength[i] = one.strength
