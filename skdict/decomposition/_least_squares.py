"""Solve least squares problems with ridges and bounds by conjugate gradients."""

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, cg

# The ridge gives the previous values the weight of this many rows on which they are exact.
PRIOR_ROWS = 10
MOST_ROUNDS = 5
MOST_ITERATIONS = 300


def with_magnitudes(codes, gains, offsets):
    """Return CSR codes with gain and offset of each feature applied where it is active."""
    data = codes.data * gains[codes.indices] + offsets[codes.indices]
    data = data.astype(codes.dtype, copy=False)
    return scipy.sparse.csr_array((data, codes.indices, codes.indptr), shape=codes.shape)


def prior_weights(powers, counts):
    """Return the ridge of each feature: its mean squared code times a fixed number of rows.

    Parameters
    ----------
    powers : ndarray of shape (m,)
        Sum of the squared codes of each feature.
    counts : ndarray of shape (m,)
        Number of rows on which each feature fires.

    Returns
    -------
    ndarray of shape (m,)
        Weights of the ridge; 1 for features that fire on no row.
    """
    return np.where(counts > 0, PRIOR_ROWS * powers / np.maximum(counts, 1), 1.0)


def solve_bounded(equations, before, lowest, free):
    """Minimise over gains and offsets with lower bounds, fixing values that fall below theirs.

    Parameters
    ----------
    equations : Magnitudes
        Least squares problem: `multiply`, `diagonal`, `right_side`, `counts`, `tolerance`.
    before : ndarray of shape (2, m)
        Gains and offsets toward which the ridge pulls.
    lowest : ndarray of shape (2, m)
        Lower bounds.
    free : ndarray of shape (2, m), dtype bool
        Mask of the values to fit; the others are set to their bounds. Modified in place.

    Returns
    -------
    ndarray of shape (2, m)
        Gains and offsets.
    """
    powers, counts = equations.diagonal[0], equations.counts
    ridge = np.stack([prior_weights(powers, counts), np.full(len(counts), float(PRIOR_ROWS))])
    # The unknowns are distances above the bounds.
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
    """Solve a positive definite system by conjugate gradients, preconditioned by its diagonal.

    Parameters
    ----------
    multiply : callable
        Function from an array of the shape of `right_side` to its product with the matrix.
    diagonal : ndarray
        Diagonal of the matrix, broadcast against `right_side`.
    right_side, start : ndarray
        Right side and initial solution, of equal shape. Their dtype is the compute dtype.
    tolerance : float
        Ratio of the norm of the residual to that of `right_side` at which to stop. The solver also
        stops after 300 iterations, which is safe because each lowers the error of the fit.

    Returns
    -------
    ndarray
        Solution, of the shape of `right_side`.
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
