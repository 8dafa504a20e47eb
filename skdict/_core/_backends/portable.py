"""A step over few entries in plain torch operations."""

import warnings

import torch
from torch.nn.functional import embedding_bag

from skdict._core._backends.sparse import Sparse
from skdict._core._codes import Codes
from skdict._core._screening.bounds import round_rows

# Products of a part of the rows stay in the processor's cache while they are looked through.
PART_BYTES = 8 * 2**20

with warnings.catch_warnings():
    # torch says once per process that CSR tensors are in beta; what is used of them is tested.
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 0], [], [], (1, 1))


class PortableFinder:
    """Finds the entries above the cutoffs of their features, exactly."""

    def __init__(self):
        self._room = None

    def __call__(self, x, encoder, bias, cutoff, screen):
        """Return the entries of rows x (n, d) as codes whose values are the pre-activations."""
        part_rows = max(64, PART_BYTES // (4 * len(bias)))
        parts = []
        for part in x.split(part_rows):
            rows = round_rows(part, screen.kind, one_scale=True)
            products = screen.products(rows, self._room_for(screen, part_rows)[: len(part)])
            at, columns = torch.gt(products, screen.thresholds(rows)).nonzero(as_tuple=True)
            pre = products_at(columns, ends_of(at, len(part)), part, encoder).add_(bias[columns])
            found = pre > cutoff[columns]
            parts.append(
                (torch.bincount(at[found], minlength=len(part)), columns[found], pre[found])
            )
        counts, columns, pre = (torch.cat(pieces) for pieces in zip(*parts, strict=True))
        row_ends = counts.new_zeros(len(x) + 1)
        torch.cumsum(counts, 0, out=row_ends[1:])
        return Codes(row_ends, columns, pre, pre)

    def _room_for(self, screen, part_rows):
        """Return room for products, taken once."""
        if self._room is None or self._room[0] != (screen.kind, part_rows):
            self._room = (screen.kind, part_rows), screen.new_products(part_rows)
        return self._room[1]


class Portable(Sparse):
    """The verbs in torch operations."""

    def __init__(self):
        super().__init__(PortableFinder())
        self._codes = self._rows = self._by_feature = None

    def encode(self, x, tensors, nonlinearity, screen):
        """Return the codes of rows x (n, d)."""
        self._codes = None
        return super().encode(x, tensors, nonlinearity, screen)

    def decode(self, codes, components, start, stop):
        """Return what the features from `start` to `stop` rebuild."""
        weights = codes.values
        if (start, stop) != (0, len(components)):
            weights = weights.where((codes.columns >= start) & (codes.columns < stop), 0)
        return weighted_sums(components, codes.columns, weights, codes.row_ends[:-1])

    def slopes(self, codes, pulls, components, row_slopes):
        """Return the slopes along entries."""
        parts = []
        for start, stop, pull in pulls:
            part = products_at(codes.columns, codes.row_ends, pull, components)
            if len(pulls) > 1:
                part = part.where((codes.columns >= start) & (codes.columns < stop), 0)
            parts.append(part)
        return sum(parts[1:], parts[0]).add_(row_slopes[self._rows_of(codes)])

    def accumulate(self, codes, entries, pulls, out, *, add=False):
        """Fill out with the sums of entries times pulls, or add them to it."""
        by_feature, rows, ends = self._sorted(codes, len(out))
        entries = entries[by_feature]
        for start, stop, pull in pulls:
            first, last = ends[start], ends[stop]
            starts = ends[start:stop] - first
            sums = weighted_sums(pull, rows[first:last], entries[first:last], starts)
            (out[start:stop].add_ if add else out[start:stop].copy_)(sums)

    def feature_sums(self, codes, entries, out):
        """Fill out with the sums of entries."""
        out.zero_().index_add_(0, codes.columns, entries)

    def row_sums(self, codes):
        """Return the sum of the codes of each row."""
        sums = codes.values.new_zeros(len(codes.row_ends) - 1)
        return sums.index_add_(0, self._rows_of(codes), codes.values)

    def n_fired(self, codes, n_components):
        """Return on how many rows each feature fired."""
        return torch.bincount(codes.columns[codes.values != 0], minlength=n_components)

    def _rows_of(self, codes):
        """Return the row of each entry, found once for the codes of a step."""
        if self._codes is not codes:
            self._codes, self._rows, self._by_feature = codes, codes.rows(), None
        return self._rows

    def _sorted(self, codes, n_components):
        """Return order, rows and ends of the entries sorted by feature, found once a step."""
        rows = self._rows_of(codes)
        if self._by_feature is None:
            order = codes.columns.argsort(stable=True)
            self._by_feature = order, rows[order], ends_of(codes.columns, n_components)
        return self._by_feature


def ends_of(numbers, count):
    """Return where each number below `count` ends among numbers sorted, after a zero."""
    ends = torch.zeros(count + 1, dtype=torch.int64)
    torch.cumsum(torch.bincount(numbers, minlength=count), 0, out=ends[1:])
    return ends


def weighted_sums(matrix, indices, weights, starts):
    """Return, for each run of indices, the weighted sum of the matrix rows they name."""
    return embedding_bag(indices, matrix, starts, mode="sum", per_sample_weights=weights)


def products_at(columns, row_ends, left, right):
    """Return ``left[row] @ right[column]`` for each entry, in row order."""
    pattern = torch.sparse_csr_tensor(
        row_ends.int(), columns.int(), left.new_zeros(len(columns)), (len(left), len(right))
    )
    return torch.sparse.sampled_addmm(pattern, left, right.T, beta=0).values()
