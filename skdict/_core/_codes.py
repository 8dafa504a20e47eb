"""Codes of a batch: sparse, with the entries that have a value or a gradient, or dense."""

from typing import NamedTuple

import torch


class Codes(NamedTuple):
    """Sparse codes by row, features ascending within a row. A feature fires where value != 0."""

    row_ends: torch.Tensor
    """Row i has the entries ``row_ends[i]`` to ``row_ends[i + 1]``; int64, shape (n + 1,)."""
    columns: torch.Tensor
    """Feature of each entry; int32 or int64, shape (nnz,)."""
    pre: torch.Tensor
    """Pre-activations, shape (nnz,)."""
    values: torch.Tensor
    """Codes, shape (nnz,)."""

    def rows(self):
        """Return the row of each entry, shape (nnz,)."""
        n = len(self.row_ends) - 1
        return torch.repeat_interleave(
            torch.arange(n), self.row_ends.diff(), output_size=len(self.columns)
        )

    def only(self, mask):
        """Return the entries selected by a mask (nnz,)."""
        n_before = torch.cat([self.row_ends.new_zeros(1), mask.cumsum(0)])
        parts = self.columns[mask], self.pre[mask], self.values[mask]
        return Codes(n_before[self.row_ends], *parts)

    def to_dense(self, n_components):
        """Return the codes as a dense tensor (n, m)."""
        dense = self.values.new_zeros(len(self.row_ends) - 1, n_components)
        dense[self.rows(), self.columns.long()] = self.values
        return dense


class DenseCodes(NamedTuple):
    """Dense codes, (..., n, m)."""

    pre: torch.Tensor
    """Pre-activations; overwritten by the codes if the nonlinearity does not need them again."""
    values: torch.Tensor
    """Codes."""


class BatchSums(NamedTuple):
    """Measurements of a training step on its batch, left on the device."""

    squared_errors: torch.Tensor
    """||x - x_hat||^2 of each row, shape (..., n)."""
    penalties: torch.Tensor
    """Penalty of each row, not yet weighted, shape (..., n)."""
    n_fired: torch.Tensor
    """Number of rows on which each feature fired, shape (..., m)."""
