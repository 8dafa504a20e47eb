"""Active codes alone: finding them, and the gradient over them, in plain torch operations."""

import warnings
from typing import NamedTuple

import torch
from torch.nn.functional import embedding_bag

from skdict._core._parameters import BatchSums
from skdict._core._screening import round_rows

# Products of a part of the rows stay in the processor's cache while they are looked through.
PART_BYTES = 8 * 2**20

with warnings.catch_warnings():
    # torch says once per process that CSR tensors are in beta; what is used of them is tested.
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 0], [], [], (1, 1))


class ActiveCodes(NamedTuple):
    """The codes that are not zero, row by row."""

    row_ends: torch.Tensor
    """Row i has the places from ``row_ends[i]`` to ``row_ends[i + 1]``; int64, shape (n + 1,)."""
    columns: torch.Tensor
    """Their features, int64."""
    values: torch.Tensor
    """The codes."""

    def to_dense(self, n_components):
        """Return all codes, (n, m)."""
        n = len(self.row_ends) - 1
        rows = torch.repeat_interleave(torch.arange(n), self.row_ends.diff())
        dense = self.values.new_zeros(n, n_components)
        dense[rows, self.columns] = self.values
        return dense


class PortableEncoder:
    """Finds the active codes of rows, exactly.

    Parameters
    ----------
    encoder : torch.Tensor of shape (m, d)
        Directions that codes are read along.
    bias : torch.Tensor of shape (m,)
        What is added.
    """

    def __init__(self, encoder, bias):
        self._encoder, self._bias = encoder, bias
        self._room = None

    def __call__(self, x, screen):
        """Return the active codes of rows (n, d)."""
        part_rows = max(64, PART_BYTES // (4 * len(self._bias)))
        parts = []
        for part in x.split(part_rows):
            rows = round_rows(part, screen.kind, one_scale=True)
            products = screen.products(rows, self._room_for(screen, part_rows)[: len(part)])
            at, columns = torch.gt(products, screen.thresholds(rows)).nonzero(as_tuple=True)
            parts.append(self._exact(part, at, columns))
        counts, columns, values = (torch.cat(pieces) for pieces in zip(*parts, strict=True))
        row_ends = counts.new_zeros(len(x) + 1)
        torch.cumsum(counts, 0, out=row_ends[1:])
        return ActiveCodes(row_ends, columns, values)

    def _room_for(self, screen, part_rows):
        """Return room for products, taken once."""
        if self._room is None or self._room[0] != screen.kind:
            self._room = screen.kind, screen.new_products(part_rows)
        return self._room[1]

    def _exact(self, x, at, columns):
        """Return the active ones among candidates: counts of the rows, columns, values."""
        row_ends = _ends(at, len(x))
        values = _products_at(columns, row_ends, x, self._encoder).add_(self._bias[columns])
        active = values > 0
        counts = torch.bincount(at[active], minlength=len(x))
        return counts, columns[active], values[active]


def fill_gradients(x, weights, codes, parameters, alpha, gradients):
    """Fill the gradient of the objective from active codes alone, and return the sums.

    Parameters
    ----------
    x : torch.Tensor of shape (n, d)
        Rows.
    weights : torch.Tensor of shape (n,)
        Of the rows in the objective.
    codes : ActiveCodes
        Theirs.
    parameters : Parameters
        Where the gradient is taken.
    alpha : float
        Weight of the penalty.
    gradients : list of torch.Tensor
        One for each tensor of the parameters; the components' still has its part along the
        components.
    """
    components = parameters.components
    n, m = len(x), len(components)
    row_ends, columns, values = codes
    residual = _weighted_sums(components, columns, values, row_ends[:-1]).sub_(x)
    squared_errors = residual.square().sum(1)
    residual.mul_(2 / n * weights[:, None])
    row_of = torch.repeat_interleave(torch.arange(n), row_ends.diff())
    slopes = _products_at(columns, row_ends, residual, components)
    slopes.add_((alpha / n * weights)[row_of])
    by_feature = columns.argsort(stable=True)
    n_fired = torch.bincount(columns, minlength=m)
    starts = n_fired.cumsum(0) - n_fired
    rows = row_of[by_feature]
    values_by, slopes_by = values[by_feature], slopes[by_feature]
    toward_components, *_, toward_bias = gradients
    toward_components.copy_(_weighted_sums(residual, rows, values_by, starts))
    toward_encoder = _weighted_sums(x, rows, slopes_by, starts)
    if parameters.tied:
        toward_components.add_(toward_encoder)
    else:
        gradients[1].copy_(toward_encoder)
    toward_bias.zero_().index_add_(0, columns, slopes)
    code_sums = torch.zeros_like(weights).index_add_(0, row_of, values)
    return BatchSums(squared_errors, code_sums, n_fired)


def _ends(rows, n):
    """Return where each of n rows ends among sorted row numbers, after a zero."""
    ends = rows.new_zeros(n + 1)
    torch.cumsum(torch.bincount(rows, minlength=n), 0, out=ends[1:])
    return ends


def _weighted_sums(matrix, indices, weights, starts):
    """Return, for each run of indices, the weighted sum of the matrix rows they name."""
    return embedding_bag(indices, matrix, starts, mode="sum", per_sample_weights=weights)


def _products_at(columns, row_ends, left, right):
    """Return ``left[row] @ right[column]`` for each place, in row order."""
    pattern = torch.sparse_csr_tensor(
        row_ends.int(), columns.int(), left.new_zeros(len(columns)), (len(left), len(right))
    )
    return torch.sparse.sampled_addmm(pattern, left, right.T, beta=0).values()
