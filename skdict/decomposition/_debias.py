r"""Refitting code magnitudes by least squares, to undo the shrinkage of an L1 penalty.

The encoder still decides which codes are active on a row; their magnitudes become

.. math:: c_j = g_j p_j + o_j \quad \text{where} \quad p_j = (x - \mu) \cdot e_j + b_j > 0

with a gain and an offset per feature. Then the directions are refitted. Both are least squares over
all rows, one pass each.
"""

from dataclasses import replace

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, cg

from skdict._core import iter_blocks
from skdict.decomposition._codes import encode_rows
from skdict.decomposition._frozen import freeze

# The values before refitting weigh as much as this many rows on which they were exact.
PRIOR_ROWS = 10
SMALLEST_GAIN = 0.1
MOST_ROUNDS = 5
SLICE_ROWS = 1024


def refit_magnitudes(X, weights, device):
    """Return weights that reconstruct rows with the least squared error, at the same supports.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The rows, read in blocks.
    weights : Weights
        After training.
    device : torch.device
        Where rows are encoded.

    Returns
    -------
    Weights
        With other `components` of unit length, and with `code_gains` (positive) and
        `code_offsets` (not negative, so that no code becomes negative).
    """
    components, dtype = weights.components, weights.components.dtype
    dictionary = freeze(weights, dtype, device)

    def pairs():
        for _, block in iter_blocks(X):
            codes = encode_rows(dictionary, block, sparse_output=True, few_active=True)
            yield block.astype(dtype, copy=False) - weights.mean, codes

    gains, offsets = _fit_magnitudes(pairs(), components)
    refitted = ((rows, _with_magnitudes(codes, gains, offsets)) for rows, codes in pairs())
    directions = _fit_directions(refitted, components)
    lengths = np.linalg.norm(directions, axis=1)
    return replace(
        weights,
        components=(directions / lengths[:, None]).astype(dtype),
        code_gains=(gains * lengths).astype(dtype),
        code_offsets=(offsets * lengths).astype(dtype),
    )


def _with_magnitudes(codes, gains, offsets):
    """Return CSR codes with the gain and the offset of each feature where it is active."""
    data = codes.data * gains[codes.indices] + offsets[codes.indices]
    return scipy.sparse.csr_array((data, codes.indices, codes.indptr), shape=codes.shape)


def _fit_magnitudes(pairs, components):
    """Return gains and offsets: least squares in 2 m numbers, by their normal equations."""
    m, d = components.shape
    products = np.zeros((3, m, m), np.float32)
    toward = np.zeros((2, m, d))
    for rows, codes in pairs:
        fired = codes.copy()
        fired.data = np.ones_like(codes.data)
        for total, left, right in zip(
            products, (codes, codes, fired), (codes, fired, fired), strict=True
        ):
            total += (left.T @ right).toarray()
        for total, left in zip(toward, (codes, fired), strict=True):
            total += left.T @ rows
    counts = products[2].diagonal().astype(np.float64)
    for start in range(0, m, SLICE_ROWS):
        part = slice(start, start + SLICE_ROWS)
        products[:, part] *= components[part] @ components.T
    right_side = (toward * components).sum(axis=2)
    powers = products[0].diagonal().astype(np.float64)
    ridge = np.stack([_prior(powers, counts), np.full(m, float(PRIOR_ROWS))])
    right_side[0] += ridge[0]
    return _solve(products, ridge, right_side)


def _prior(powers, counts):
    """Return the weight of the values before refitting: that of a few rows of mean power."""
    seen = counts > 0
    return np.where(seen, PRIOR_ROWS * powers / np.maximum(counts, 1), 1.0)


def _solve(products, ridge, right_side):
    """Solve for gains and offsets; offsets that come out negative are held at zero."""
    free = np.ones_like(ridge, dtype=bool)
    start = np.stack([np.ones_like(ridge[0]), np.zeros_like(ridge[0])])
    for _ in range(MOST_ROUNDS):
        start = _solve_free(products, ridge, right_side, free, start)
        negative = start[1] < 0
        if not negative.any():
            break
        free[1] &= ~negative
        start[1][negative] = 0
    return np.maximum(start[0], SMALLEST_GAIN), np.maximum(start[1], 0)


def _solve_free(products, ridge, right_side, free, start):
    both, mixed, fired = products
    shape = ridge.shape

    def multiply(flat):
        values = np.where(free, flat.reshape(shape), 0)
        gains, offsets = values.astype(np.float32)
        out = np.stack([both @ gains + mixed @ offsets, mixed.T @ gains + fired @ offsets])
        return np.where(free, out + ridge * values, flat.reshape(shape)).ravel()

    diagonal = np.stack([both.diagonal(), fired.diagonal()]) + ridge
    precondition = LinearOperator((ridge.size,) * 2, lambda flat: flat / diagonal.ravel())
    system = LinearOperator((ridge.size,) * 2, multiply)
    right_side = np.where(free, right_side, 0).ravel()
    solution, _ = cg(system, right_side, start.ravel(), rtol=1e-5, maxiter=300, M=precondition)
    return solution.reshape(shape)


def _fit_directions(pairs, components):
    """Return the directions that reconstruct rows from codes with the least squared error."""
    m, d = components.shape
    products, toward = np.zeros((m, m), np.float32), np.zeros((m, d))
    counts = np.zeros(m)
    for rows, codes in pairs:
        products += (codes.T @ codes).toarray()
        toward += codes.T @ rows
        counts += np.bincount(codes.indices, minlength=m)
    weight = _prior(products.diagonal().astype(np.float64), counts)
    toward += weight[:, None] * components
    products[np.diag_indices(m)] += weight
    return scipy.linalg.solve(products, toward, assume_a="pos", overwrite_a=True, overwrite_b=True)
