r"""Refit code magnitudes and directions by least squares, with fixed supports.

The encoder still determines which codes are active on a row. Given their pre-activations
:math:`p_{ij}`, before any gain, there are two problems. The first is

.. math::
    \min_{g, o} \sum_i \left\| x_i - \mu - \sum_{j \in S_i} (g_j p_{ij} + o_j) d_j \right\|^2
    + \sum_j \lambda_j (g_j - g_j^0)^2 + \lambda \sum_j (o_j - o_j^0)^2,
    \qquad g_j \ge g_j^0 / 10, \quad o_j \ge 0

over a gain and an offset per feature (only a gain for signed codes). The second is over the
directions, with a ridge toward the current ones. The ridges have the weight of a few rows.

Both are solved by normal equations in arrays of shape (m, m) if these fit in memory, and otherwise
by conjugate gradients, on as many rows as have codes that fit in memory.
"""

import os
from dataclasses import replace

import numpy as np

from skdict._core import iter_blocks, sample_rows
from skdict.decomposition import _debias_dense, _debias_iterative
from skdict.decomposition._codes import encode_rows
from skdict.decomposition._column_blocks import (
    BlockScale,
    with_even_columns,
    without_even_columns,
)
from skdict.decomposition._frozen import freeze
from skdict.decomposition._least_squares import solve_bounded, with_magnitudes

# Memory limit of a refit: this, or a quarter of the machine's memory if that is less. A share of
# the free memory would make the result depend on other processes.
BUDGET_BYTES = 4 * 2**30
MACHINE_SHARE = 0.25
# Lower bound of a gain, as a share of its previous value.
SMALLEST_GAIN = 0.1
# Number of rows from which L0 is estimated.
L0_ROWS = 1024
# If not all rows are used, chunks of consecutive rows are drawn: rows per chunk, chunks per block.
CHUNK_ROWS = 256
BLOCK_CHUNKS = 16


def refit_weights(X, weights, device, scaling=None):
    """Return weights with a smaller squared reconstruction error and the same supports.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows with finite values, read in blocks.
    weights : Weights
        Weights of a trained dictionary. Its gains and offsets are the initial values of the new
        ones, which replace them and are not multiplied by them.
    device : torch.device
        Device on which rows are encoded.
    scaling : RowScale or BlockScale, optional
        Scale of the rows in training. Errors are weighted by its blocks of columns, if it has any.

    Returns
    -------
    Weights
        Weights with new unit-length `components`, positive `code_gains` and, unless codes are
        signed, non-negative `code_offsets`, so that no code becomes negative. Features that fire
        on no row keep theirs.
    """
    if isinstance(scaling, BlockScale):
        even = with_even_columns(weights, scaling)
        factors = (scaling.unit / scaling.columns).astype(weights.components.dtype)
        return without_even_columns(_refit(X, even, _Pairs(weights, device, factors)), scaling)
    return _refit(X, weights, _Pairs(weights, device))


def _refit(X, weights, pairs):
    """Return refitted weights, from pairs of rows and pre-activations in their units."""
    components, dtype = weights.components, weights.components.dtype
    solver, pairs = _choose(X, weights, pairs)
    equations = solver.Magnitudes(pairs(), components)
    gains, offsets = _fit_magnitudes(equations, weights)
    # Free the memory for the arrays of the second problem.
    del equations
    refitted = ((rows, with_magnitudes(codes, gains, offsets)) for rows, codes in pairs())
    directions = solver.fit_directions(refitted, components)
    lengths = np.linalg.norm(directions, axis=1)
    return replace(
        weights,
        components=(directions / lengths[:, None]).astype(dtype),
        code_gains=(gains * lengths).astype(dtype),
        code_offsets=None if weights.signed else (offsets * lengths).astype(dtype),
    )


def _fit_magnitudes(equations, weights):
    """Return gains and offsets, by bounded least squares in 2 m unknowns."""
    m = len(weights.components)
    gains = np.ones(m) if weights.code_gains is None else weights.code_gains
    offsets = (
        np.zeros(m) if weights.code_offsets is None or weights.signed else weights.code_offsets
    )
    before = np.stack([gains, offsets]).astype(np.float64)
    lowest = np.stack([SMALLEST_GAIN * np.abs(before[0]), np.zeros(m)])
    silent = equations.counts == 0
    lowest[:, silent] = before[:, silent]
    free = np.broadcast_to(~silent, (2, m)).copy()
    free[1] &= not weights.signed
    return solve_bounded(equations, before, lowest, free)


def _choose(X, weights, pairs):
    """Return the module to solve with, and a function that yields pairs of rows and codes."""
    budget = _budget_bytes()
    if _debias_dense.needed_bytes(len(weights.components)) <= budget:
        return _debias_dense, lambda: pairs(_blocks(X, len(X)))
    n_rows = _n_rows(X, pairs, budget)
    return _debias_iterative, lambda: pairs(_blocks(X, n_rows))


def _n_rows(X, pairs, budget):
    """Return the number of rows whose codes fit in the memory budget."""
    n_codes = [codes.nnz for _, codes in pairs([sample_rows(X, L0_ROWS)])]
    l0 = sum(n_codes) / min(len(X), L0_ROWS)
    return int(budget / _debias_iterative.row_bytes(l0, pairs.dtype.itemsize))


def _blocks(X, n_rows):
    """Yield blocks of all rows in order, or of chunks of about `n_rows` rows drawn with a seed."""
    if n_rows >= len(X) or len(X) < CHUNK_ROWS:
        yield from (block for _, block in iter_blocks(X))
        return
    starts = np.random.default_rng(0).permutation(len(X) // CHUNK_ROWS) * CHUNK_ROWS
    starts = np.sort(starts[: max(1, n_rows // CHUNK_ROWS)]).tolist()
    for first in range(0, len(starts), BLOCK_CHUNKS):
        chunks = (X[i : i + CHUNK_ROWS] for i in starts[first : first + BLOCK_CHUNKS])
        yield np.concatenate([np.asarray(chunk) for chunk in chunks])


def _budget_bytes():
    try:
        machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return BUDGET_BYTES
    return min(BUDGET_BYTES, int(MACHINE_SHARE * machine))


class _Pairs:
    """Callable that yields blocks of centred rows with the pre-activations of active codes.

    Columns of the rows are multiplied by `factors`, to which pre-activations are not subject.
    """

    def __init__(self, weights, device, factors=1):
        self.dtype, self._mean = weights.components.dtype, weights.mean
        self._factors = factors
        plain = replace(weights, code_gains=None, code_offsets=None)
        self._dictionary = freeze(plain, self.dtype, device)

    def __call__(self, blocks):
        for block in blocks:
            rows = block.astype(self.dtype, copy=False)
            codes = encode_rows(self._dictionary, rows, sparse_output=True, few_active=True)
            yield (rows - self._mean) * self._factors, codes
