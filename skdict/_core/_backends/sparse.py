"""The base class of sparse back ends."""

from skdict._core._backends.base import Backend
from skdict._core._screening.search import Search


class Sparse(Backend):
    """Back end that searches for entries and computes with those only.

    Parameters
    ----------
    finder : PortableFinder or CompiledFinder
        Implementation of the search.
    *multiply : callable, optional
        Product of dense matrices, see `Backend`.
    """

    def __init__(self, finder, *multiply):
        super().__init__(*multiply)
        self._finder, self._known = finder, {}

    def encode(self, x, model, eligible, screen):
        """Return the codes of rows x (n, d); only rows in the mask `eligible` (n,) compete."""
        tensors, nonlinearity = model.tensors, model.nonlinearity
        encoding = x, tensors.encoder, tensors.bias
        search = Search(self._finder, *encoding, screen, eligible, model.group, self._known)
        codes = nonlinearity.entries(search, tensors)
        learned = {name: self.at_entries(codes, tensors[name]) for name in nonlinearity.learned(0)}
        return codes._replace(values=nonlinearity.values(codes.pre, learned))

    def at_entries(self, codes, tensor):
        """Return the value of each entry's feature."""
        return tensor[codes.columns]

    def from_rows(self, codes, numbers):
        """Return the number of each entry's row."""
        return numbers[codes.rows()]

    def row_counts(self, codes):
        """Return the number of codes that fire in each row."""
        fired = codes._replace(values=(codes.values != 0).to(codes.values.dtype))
        return self.row_sums(fired)
