"""Rows block by block: checked to be finite, in the dtype they are computed in."""

import numpy as np
import scipy.sparse

from skdict._core import RunningMoments, iter_blocks
from skdict._validation import check_finite, compute_dtype


def finite_blocks(X, *, name="X"):
    """Yield `(start, block)` over rows, each block finite and in the dtype of `compute_dtype`.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Anything with `shape` and `dtype` whose slices turn into numpy arrays.
    name : str, default="X"
        The parameter's name, for the message.

    Yields
    ------
    (int, ndarray of shape (<= n, d))
        Index of the first row, and the rows.

    Raises
    ------
    ValueError
        If a block holds NaN or infinity; names the first row.
    """
    dtype = compute_dtype(X)
    for start, block in iter_blocks(X):
        yield start, check_finite(block, start, name).astype(dtype, copy=False)


def encode_blocks(dictionary, X):
    """Yield `(start, rows, codes)` of any fitted dictionary, in the blocks of `finite_blocks`.

    Codes are sparse where `transform` returns them so, else an ndarray.
    """
    for start, block in finite_blocks(X):
        codes = dictionary.transform(block)
        yield start, block, codes if scipy.sparse.issparse(codes) else np.asarray(codes)


def check_finite_rows(X):
    """Refuse rows that hold NaN or infinity (`ValueError`, which names the first row)."""
    for start, block in iter_blocks(X):
        check_finite(block, start)


def moments_of(X):
    """Return the `RunningMoments` of rows, all of them checked to be finite."""
    moments = RunningMoments(X.shape[1])
    for start, block in iter_blocks(X):
        moments.update(check_finite(block, start))
    return moments


def least_squares_gain(pairs):
    """Return the factor on reconstructions that minimises their squared error.

    Parameters
    ----------
    pairs : iterable of (ndarray, ndarray)
        Centred rows and their reconstruction, block by block.

    Returns
    -------
    float
        1 if all reconstructions are zero.
    """
    product = norm = 0.0
    for rows, rebuilt in pairs:
        product += float(np.vdot(rebuilt, rows))
        norm += float(np.vdot(rebuilt, rebuilt))
    return product / norm if norm else 1.0
