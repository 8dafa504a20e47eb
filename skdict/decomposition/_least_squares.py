"""Least squares as refitting needs it: ridges, bounds, and conjugate gradients."""

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, cg

# The values before refitting weigh as much as this many rows on which they were exact.
PRIOR_ROWS = 10
MOST_ROUNDS = 5
MOST_ITERATIONS = 300


def with_magnitudes(codes, gains, offsets):
    """Return CSR codes with the gain and the offset of each feature where it is active."""
    data = codes.data * gains[codes.indices] + offsets[codes.indices]
    data = data.astype(codes.dtype, copy=False)
    return scipy.sparse.csr_array((data, codes.indices, codes.indptr), shape=codes.shape)


def prior_weights(powers, counts):
    """Return the weight of values before refitting: that of a few rows of mean power.

    Parameters
    ----------
    powers : ndarray of shape (m,)
        Sum of the squared codes of each feature.
    counts : ndarray of shape (m,)
        On how many rows it fired.

    Returns
    -------
    ndarray of shape (m,)
        One where it never fired.
    """
    return np.where(counts > 0, PRIOR_ROWS * powers / np.maximum(counts, 1), 1.0)


def solve_bounded(equations, before, lowest, free):
    """Minimise over gains and offsets; those that come out below a bound are held there.

    Parameters
    ----------
    equations : Magnitudes
        The least squares problem: `multiply`, `diagonal`, `right_side`, `counts`, `tolerance`.
    before : ndarray of shape (2, m)
        Gains and offsets that the ridge pulls toward.
    lowest : ndarray of shape (2, m)
        The bounds.
    free : ndarray of shape (2, m), dtype bool
        Which are fitted; the others are at their bounds. Changed in place.

    Returns
    -------
    ndarray of shape (2, m)
    """
    powers, counts = equations.diagonal[0], equations.counts
    ridge = np.stack([prior_weights(powers, counts), np.full(len(counts), float(PRIOR_ROWS))])
    # Solved for what lies above the bounds.
    right_side = equations.right_side + ridge * (before - lowest) - equations.multiply(lowest)
    diagonal = equations.diagonal + ridge
    above = np.maximum(before - lowest, 0)
    for _ in range(MOST_ROUNDS):
        above = _solve_free(equations, ridge, diagonal, right_side, free, above)
        if (above >= 0).all():
            break
        free &= above >= 0
        above = np.maximum(above, 0)
    return np.maximum(above, 0) + lowest


def _solve_free(equations, ridge, diagonal, right_side, free, start):
    def multiply(values):
        return np.where(free, equations.multiply(values) + ridge * values, values)

    right_side, start = (np.where(free, values, 0) for values in (right_side, start))
    return conjugate_gradients(multiply, diagonal, right_side, start, equations.tolerance)


def conjugate_gradients(multiply, diagonal, right_side, start, tolerance):
    """Solve a positive definite system, preconditioned by its diagonal.

    Parameters
    ----------
    multiply : callable
        Multiplies an array of the shape of `right_side` by the matrix.
    diagonal : ndarray
        Of the matrix; broadcast against `right_side`.
    right_side, start : ndarray
        Of any shape; in their dtype it is computed.
    tolerance : float
        Stop when the norm of the residual is this share of that of `right_side`, and after 300
        iterations in any case: each lowers the error of the fit.

    Returns
    -------
    ndarray
        The solution.
    """
    shape, dtype = (right_side.size,) * 2, right_side.dtype

    def system(flat):
        return multiply(flat.reshape(right_side.shape)).ravel()

    def precondition(flat):
        return (flat.reshape(right_side.shape) / diagonal).astype(dtype, copy=False).ravel()

    solution, _ = cg(
        LinearOperator(shape, system, dtype=dtype),
        right_side.ravel(),
        start.ravel(),
        rtol=tolerance,
        maxiter=MOST_ITERATIONS,
        M=LinearOperator(shape, precondition, dtype=dtype),
    )
    return solution.reshape(right_side.shape)
