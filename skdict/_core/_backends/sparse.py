"""What back ends over few entries share."""

from skdict._core._backends.base import Backend


class Sparse(Backend):
    """A back end that finds the entries above their cutoffs before it computes with them.

    Parameters
    ----------
    find : callable
        ``find(x, encoder, bias, cutoff, screen)`` returns the entries of rows.
    """

    def __init__(self, find):
        super().__init__()
        self._find = find

    def encode(self, x, tensors, nonlinearity, screen):
        """Return the codes of rows x (n, d)."""
        cutoff = nonlinearity.feature_cutoff(tensors)
        codes = self._find(x, tensors.encoder, tensors.bias, cutoff, screen)
        learned = {name: self.at_entries(codes, tensors[name]) for name in nonlinearity.learned(0)}
        return codes._replace(values=nonlinearity.values(codes.pre, learned))

    def at_entries(self, codes, tensor):
        """Return the values of the features of entries."""
        return tensor[codes.columns]
