"""Refit by conjugate gradients on codes, with no array larger than the codes or the directions.

Rows are read only to form the right sides, and then released. Each iteration multiplies the codes
by a few columns at a time, so that these stay in the processor's cache; threads share the columns.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy.sparse
import torch

from skdict.decomposition._least_squares import (
    conjugate_gradients,
    prior_weights,
    with_magnitudes,
)

COLUMNS = 64
# Number of rows whose codes are multiplied at a time.
GROUP_ROWS = 2**15
# Relative residual at which conjugate gradients stop: FVU is within 0.2 % of the exact solution's.
TOLERANCE = 1e-3


def row_bytes(l0, itemsize):
    """Return the maximum memory of the codes of one row, in bytes."""
    # While blocks are joined, values and indices exist twice; later, three values and one index.
    return 16 + l0 * (2 * 4 + 3 * itemsize)


class Magnitudes:
    """Normal equations for gains and offsets that never form the matrix.

    See `_debias_dense.Magnitudes` for parameters and attributes.
    """

    def __init__(self, pairs, components):
        self._components, self.tolerance = components, TOLERANCE
        self.right_side = np.zeros((2, len(components)))
        blocks = []
        for rows, codes in pairs:
            self.right_side += self._project([codes], lambda _, columns, x=rows: x[:, columns])
            blocks.append(codes)
        self._groups = _joined(blocks)
        self.counts = _sums(self._groups, np.ones_like)
        norms = np.square(components, dtype=np.float64).sum(axis=1)
        self.diagonal = norms * np.stack([_sums(self._groups, np.square), self.counts])

    def multiply(self, values):
        """Return the product of the matrix with gains and offsets, shape (2, m)."""
        values = values.astype(self._components.dtype)
        refitted = [with_magnitudes(codes, *values) for codes in self._groups]
        return self._project(
            self._groups,
            lambda i, columns: refitted[i] @ np.ascontiguousarray(self._components[:, columns]),
        )

    def _project(self, groups, rows_of):
        """Return <row, direction> summed over rows, weighted by code and by activity (0 or 1)."""
        fired = [_like(codes, np.ones_like(codes.data)) for codes in groups]

        def project(columns):
            totals = np.zeros((2, len(self._components)))
            directions = self._components[:, columns]
            for i, pair in enumerate(zip(groups, fired, strict=True)):
                rows = np.ascontiguousarray(rows_of(i, columns))
                for total, left in zip(totals, pair, strict=True):
                    total += np.einsum("md,md->m", left.T @ rows, directions)
            return totals

        return sum(_map_columns(project, self._components))


def fit_directions(pairs, components):
    """Return the result of `_debias_dense.fit_directions`, to within the tolerance."""
    toward, blocks = np.zeros_like(components), []
    for rows, codes in pairs:
        toward += codes.T @ rows
        blocks.append(codes)
    groups = _joined(blocks)
    powers = _sums(groups, np.square)[:, None]
    weight = prior_weights(powers[:, 0], _sums(groups, np.ones_like))[:, None]
    weight = weight.astype(components.dtype)
    toward += weight * components

    def multiply(values):
        return sum((codes.T @ (codes @ values) for codes in groups), weight * values)

    def solve(columns):
        right_side, before = (np.ascontiguousarray(a[:, columns]) for a in (toward, components))
        return conjugate_gradients(multiply, powers + weight, right_side, before, TOLERANCE)

    return np.concatenate(list(_map_columns(solve, components)), axis=1)


def _map_columns(function, components):
    """Yield the results of a function for consecutive slices of the columns, in order."""
    slices = [slice(i, i + COLUMNS) for i in range(0, components.shape[1], COLUMNS)]
    with ThreadPoolExecutor(torch.get_num_threads()) as threads:
        yield from threads.map(function, slices)


def _joined(blocks):
    """Join the codes of consecutive rows into fewer blocks, and empty the list given."""
    groups, part = [], []
    for codes in blocks:
        part.append(codes)
        if sum(len(codes.indptr) for codes in part) > GROUP_ROWS:
            groups.append(scipy.sparse.vstack(part, format="csr"))
            part = []
    if part:
        groups.append(scipy.sparse.vstack(part, format="csr"))
    blocks.clear()
    return groups


def _like(codes, data):
    return scipy.sparse.csr_array((data, codes.indices, codes.indptr), shape=codes.shape)


def _sums(groups, function):
    """Return the sum over rows of a function of each feature's codes, shape (m,)."""
    m = groups[0].shape[1]
    return sum(np.bincount(c.indices, function(c.data), minlength=m) for c in groups)
