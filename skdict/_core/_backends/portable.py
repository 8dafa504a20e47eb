"""Sparse back end in plain torch operations."""

import warnings

import torch
from torch.nn.functional import embedding_bag

from skdict._core._backends.sparse import Sparse
from skdict._core._codes import Codes
from skdict._core._screening.bounds import round_rows
from skdict._core._selection import largest_of_row_entries

# Small enough that products stay in the processor's cache while they are scanned.
PART_BYTES = 8 * 2**20

with warnings.catch_warnings():
    # torch warns once per process that CSR tensors are in beta; our uses of them are tested.
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 0], [], [], (1, 1))


class PortableFinder:
    """Exact search for entries in torch operations.

    Entries are returned as `Codes` whose values are the pre-activations.
    """

    def __init__(self):
        self._room = None

    def above(self, x, encoder, bias, cutoff, screen):
        """Return the entries of rows x (n, d) above the cutoffs of their features (m,)."""
        parts = []
        for part, products, rows in self._products(x, screen, one_scale=True):
            at, columns = torch.gt(products, screen.thresholds(rows, cutoff)).nonzero(as_tuple=True)
            codes = entries_at(at, columns, part, encoder, bias)
            parts.append(codes.only(codes.pre > cutoff[codes.columns]))
        return joined(parts)

    def largest(self, x, encoder, bias, k, screen):
        """Return the k largest positive entries of each row of x (n, d).

        The k entries with the largest low-precision products are computed exactly. The smallest of
        these values is a valid cutoff, because k entries reach it.
        """
        parts = []
        for part, products, rows in self._products(x, screen):
            bounds, estimates = screen.upper_bounds(rows, products)
            likely = estimates.topk(k, dim=1, sorted=False).indices.sort(dim=1).values
            at = torch.arange(len(part)).repeat_interleave(k)
            likely = entries_at(at, likely.flatten(), part, encoder, bias)
            cutoff = likely.pre.view(len(part), k).amin(1, keepdim=True).clamp_(min=0)
            cutoff *= 1 - screen.cutoff_rounding
            codes = entries_at(*(bounds > cutoff).nonzero(as_tuple=True), part, encoder, bias)
            parts.append(largest_of_row_entries(codes.only(codes.pre > 0), k))
        return joined(parts)

    def _products(self, x, screen, *, one_scale=False):
        """Yield a few rows at a time, their low-precision products, and the rounded rows."""
        part_rows = max(64, PART_BYTES // (4 * len(screen.rounded.scales)))
        for part in x.split(part_rows):
            rows = round_rows(part, screen.kind, one_scale=one_scale)
            yield part, screen.products(rows, self._room_for(screen, part_rows)[: len(part)]), rows

    def _room_for(self, screen, part_rows):
        """Return a buffer for products, allocated once."""
        if self._room is None or self._room[0] != (screen.kind, part_rows):
            self._room = (screen.kind, part_rows), screen.new_products(part_rows)
        return self._room[1]


class Portable(Sparse):
    """Sparse back end in torch operations."""

    def __init__(self, *multiply):
        super().__init__(PortableFinder(), *multiply)
        self._codes = self._rows = self._by_feature = None

    def encode(self, x, model, eligible, screen):
        """Return the codes of rows x (n, d); only rows in the mask `eligible` (n,) compete."""
        self._codes = None
        return super().encode(x, model, eligible, screen)

    def decode(self, codes, components, start, stop):
        """Return the contribution of features `start` to `stop` to reconstructions."""
        weights = codes.values
        if (start, stop) != (0, len(components)):
            weights = weights.where((codes.columns >= start) & (codes.columns < stop), 0)
        return weighted_sums(components, codes.columns, weights, codes.row_ends[:-1])

    def slopes(self, codes, pulls, components, row_slopes):
        """Return the slopes of entries."""
        parts = []
        for start, stop, pull in pulls:
            part = products_at(codes.columns, codes.row_ends, pull, components)
            if len(pulls) > 1:
                part = part.where((codes.columns >= start) & (codes.columns < stop), 0)
            parts.append(part)
        return sum(parts[1:], parts[0]).add_(row_slopes[self._rows_of(codes)])

    def accumulate(self, codes, entries, pulls, out, *, add=False):
        """Fill `out` with the sums of entries times pulls, or add them to it."""
        by_feature, rows, ends = self._sorted(codes, len(out))
        entries = entries[by_feature]
        for start, stop, pull in pulls:
            if start == stop:
                continue
            first, last = ends[start], ends[stop]
            starts = ends[start:stop] - first
            sums = weighted_sums(pull, rows[first:last], entries[first:last], starts)
            (out[start:stop].add_ if add else out[start:stop].copy_)(sums)

    def feature_sums(self, codes, entries, out):
        """Fill `out` with the sums of entries."""
        out.zero_().index_add_(0, codes.columns, entries)

    def row_sums(self, codes):
        """Return the sum of the codes of each row."""
        sums = codes.values.new_zeros(len(codes.row_ends) - 1)
        return sums.index_add_(0, self._rows_of(codes), codes.values)

    def n_fired(self, codes, n_components):
        """Return the number of rows on which each feature fired."""
        return torch.bincount(codes.columns[codes.values != 0], minlength=n_components)

    def _rows_of(self, codes):
        """Return the row of each entry, computed once for the codes of a step."""
        if self._codes is not codes:
            self._codes, self._rows, self._by_feature = codes, codes.rows(), None
        return self._rows

    def _sorted(self, codes, n_components):
        """Return order, rows and ends of the entries sorted by feature, computed once per step."""
        rows = self._rows_of(codes)
        if self._by_feature is None:
            order = codes.columns.argsort(stable=True)
            self._by_feature = order, rows[order], ends_of(codes.columns, n_components)
        return self._by_feature


def entries_at(rows, columns, x, encoder, bias):
    """Compute the entries of x (n, d) at the given rows and columns, in row order."""
    row_ends = ends_of(rows, len(x))
    pre = products_at(columns, row_ends, x, encoder).add_(bias[columns])
    return Codes(row_ends, columns, pre, pre)


def joined(parts):
    """Concatenate the codes of consecutive parts of the rows."""
    if len(parts) == 1:
        return parts[0]
    counts = torch.cat([codes.row_ends.diff() for codes in parts])
    row_ends = counts.new_zeros(len(counts) + 1)
    torch.cumsum(counts, 0, out=row_ends[1:])
    columns, pre = (torch.cat([getattr(c, name) for c in parts]) for name in ("columns", "pre"))
    return Codes(row_ends, columns, pre, pre)


def ends_of(numbers, count):
    """Return where each number below `count` ends in the sorted numbers, after a leading zero."""
    ends = torch.zeros(count + 1, dtype=torch.int64)
    torch.cumsum(torch.bincount(numbers, minlength=count), 0, out=ends[1:])
    return ends


def weighted_sums(matrix, indices, weights, starts):
    """Return, for each run of indices, the weighted sum of these rows of the matrix."""
    return embedding_bag(indices, matrix, starts, mode="sum", per_sample_weights=weights)


def products_at(columns, row_ends, left, right):
    """Return ``left[row] @ right[column]`` for each entry, in row order."""
    pattern = torch.sparse_csr_tensor(
        row_ends.int(), columns.int(), left.new_zeros(len(columns)), (len(left), len(right))
    )
    return torch.sparse.sampled_addmm(pattern, left, right.T, beta=0).values()
