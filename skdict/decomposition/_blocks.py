"""Read rows block by block, check that they are finite and cast them to the compute dtype."""

import numpy as np
import scipy.sparse

from skdict._core import RunningMoments, iter_blocks
from skdict._validation import check_finite, compute_dtype


def finite_blocks(X, *, name="X"):
    """Yield `(start, block)` over rows, each block checked and in the dtype of `compute_dtype`.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Object with `shape` and `dtype` whose slices convert to numpy arrays.
    name : str, default="X"
        Name of the parameter in error messages.

    Yields
    ------
    (int, ndarray of shape (<= n, d))
        Index of the first row of the block, and the block.

    Raises
    ------
    ValueError
        If a block contains NaN or infinity; the message names the first such row.
    """
    dtype = compute_dtype(X)
    for start, block in iter_blocks(X):
        yield start, check_finite(block, start, name).astype(dtype, copy=False)


def encode_blocks(dictionary, X):
    """Yield `(start, rows, codes)` of any fitted dictionary, for the blocks of `finite_blocks`.

    Codes are sparse if `transform` returns a sparse array, else an ndarray.
    """
    for start, block in finite_blocks(X):
        codes = dictionary.transform(block)
        yield start, block, codes if scipy.sparse.issparse(codes) else np.asarray(codes)


def check_finite_rows(X):
    """Raise ValueError if a row contains NaN or infinity; the message names the first one."""
    for start, block in iter_blocks(X):
        check_finite(block, start)


def moments_of(X):
    """Return the `RunningMoments` of rows, after checking that they are finite."""
    moments = RunningMoments(X.shape[1])
    for start, block in iter_blocks(X):
        moments.update(check_finite(block, start))
    return moments


def least_squares_gain(pairs):
    """Return the factor on reconstructions that minimises the squared error.

    Parameters
    ----------
    pairs : iterable of (ndarray, ndarray)
        Centred rows and their reconstructions, block by block.

    Returns
    -------
    float
        Least-squares factor; 1 if all reconstructions are zero.
    """
    product = norm = 0.0
    for rows, rebuilt in pairs:
        product += float(np.vdot(rebuilt, rows))
        norm += float(np.vdot(rebuilt, rebuilt))
    return product / norm if norm else 1.0
