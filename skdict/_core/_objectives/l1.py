r"""The L1 norm of codes: :math:`P(c) = \alpha \|c\|_1`, for codes that are not negative."""


class L1:
    """Penalty alpha times the sum of codes; the protocol is that of the package.

    Parameters
    ----------
    strength : float or torch.Tensor of shape (stack, 1)
        Alpha.
    """

    def __init__(self, strength):
        self.strength = strength

    def row_slopes(self, factors):
        """Return alpha times the factors of the rows."""
        return self.strength * factors

    def penalties(self, value_sums):
        """Return alpha times the sum of codes of each row."""
        return self.strength * value_sums
