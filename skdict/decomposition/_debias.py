r"""Refitting code magnitudes and directions by least squares, at the supports that are there.

The encoder still decides which codes are active on a row. From their pre-activations
:math:`p_{ij}`, before any gain, the rows :math:`x_i` are fitted twice: first

.. math::
    \min_{g, o} \sum_i \left\| x_i - \mu - \sum_{j \in S_i} (g_j p_{ij} + o_j) d_j \right\|^2
    + \sum_j \lambda_j (g_j - g_j^0)^2 + \lambda \sum_j (o_j - o_j^0)^2,
    \qquad g_j \ge g_j^0 / 10, \quad o_j \ge 0

in a gain and an offset per feature (signed codes: a gain alone), then in the directions, with a
ridge toward those that are there. The ridges weigh as much as a few rows.

Both are solved by their normal equations, in arrays of shape (m, m), where these fit in memory,
and by conjugate gradients on the codes of as many rows as fit where they do not.
"""

import os
from dataclasses import replace

import numpy as np

from skdict._core import iter_blocks, sample_rows
from skdict.decomposition import _debias_dense, _debias_iterative
from skdict.decomposition._codes import encode_rows
from skdict.decomposition._frozen import freeze
from skdict.decomposition._least_squares import solve_bounded, with_magnitudes

# Memory that a refit may take: this, or a quarter of what the machine has. Never a share of what
# is free, or the result would depend on what else runs.
BUDGET_BYTES = 4 * 2**30
MACHINE_SHARE = 0.25
# A gain falls at most to this share of what it was.
SMALLEST_GAIN = 0.1
# Rows that tell how many codes a row has.
L0_ROWS = 1024
# Where not all rows are used: of consecutive rows that are drawn, and how many make a block.
CHUNK_ROWS = 256
BLOCK_CHUNKS = 16


def refit_weights(X, weights, device):
    """Return weights that reconstruct rows with less squared error, at the same supports.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The rows, read in blocks; all values finite.
    weights : Weights
        Of a trained dictionary. Gains and offsets that it has are where the new ones start from;
        they are replaced, not multiplied.
    device : torch.device
        Where rows are encoded.

    Returns
    -------
    Weights
        With other `components` of unit length, `code_gains` (positive) and, unless codes are
        signed, `code_offsets` (not negative, so that no code becomes negative). Features that
        fire on no row keep theirs.
    """
    components, dtype = weights.components, weights.components.dtype
    solver, pairs = _choose(X, weights, device)
    equations = solver.Magnitudes(pairs(), components)
    gains, offsets = _fit_magnitudes(equations, weights)
    # The arrays of the directions take its place.
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
    """Return gains and offsets: bounded least squares in 2 m numbers."""
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


def _choose(X, weights, device):
    """Return the module to solve with, and a function that gives pairs of rows and codes."""
    pairs, budget = _Pairs(weights, device), _budget_bytes()
    if _debias_dense.needed_bytes(len(weights.components)) <= budget:
        return _debias_dense, lambda: pairs(_blocks(X, len(X)))
    n_rows = _n_rows(X, pairs, budget)
    return _debias_iterative, lambda: pairs(_blocks(X, n_rows))


def _n_rows(X, pairs, budget):
    """Return how many rows have codes that fit in the budget."""
    n_codes = [codes.nnz for _, codes in pairs([sample_rows(X, L0_ROWS)])]
    l0 = sum(n_codes) / min(len(X), L0_ROWS)
    return int(budget / _debias_iterative.row_bytes(l0, pairs.dtype.itemsize))


def _blocks(X, n_rows):
    """Yield rows in order, in blocks: all, or chunks of consecutive ones, drawn with a seed."""
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
    """Gives blocks of rows, centred, with their pre-activations where codes are active."""

    def __init__(self, weights, device):
        self.dtype, self._mean = weights.components.dtype, weights.mean
        plain = replace(weights, code_gains=None, code_offsets=None)
        self._dictionary = freeze(plain, self.dtype, device)

    def __call__(self, blocks):
        for block in blocks:
            rows = block.astype(self.dtype, copy=False)
            codes = encode_rows(self._dictionary, rows, sparse_output=True, few_active=True)
            yield rows - self._mean, codes
