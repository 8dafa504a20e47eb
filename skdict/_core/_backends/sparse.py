"""What back ends over few entries share."""

from skdict._core._backends.base import Backend
from skdict._core._screening.search import Search


class Sparse(Backend):
    """A back end that searches for entries before it computes with them.

    Parameters
    ----------
    finder : PortableFinder or CompiledFinder
        Finds the entries of rows.
    """

    def __init__(self, finder):
        super().__init__()
        self._finder, self._known = finder, {}

    def encode(self, x, model, eligible, screen):
        """Return the codes of rows x (n, d), selected from those that are eligible (n,)."""
        tensors, nonlinearity = model.tensors, model.nonlinearity
        encoding = x, tensors.encoder, tensors.bias
        search = Search(self._finder, *encoding, screen, eligible, model.group, self._known)
        codes = nonlinearity.entries(search, tensors)
        learned = {name: self.at_entries(codes, tensors[name]) for name in nonlinearity.learned(0)}
        return codes._replace(values=nonlinearity.values(codes.pre, learned))

    def at_entries(self, codes, tensor):
        """Return the values of the features of entries."""
        return tensor[codes.columns]

    def from_rows(self, codes, numbers):
        """Return the numbers of the rows of entries."""
        return numbers[codes.rows()]

    def row_counts(self, codes):
        """Return how many codes of each row fire."""
        fired = codes._replace(values=(codes.values != 0).to(codes.values.dtype))
        return self.row_sums(fired)
