"""Compute with large matrices in float64, a few rows at a time."""

import numpy as np

CHUNK_ROWS = 4096


def scaled(array, factors):
    """Return rows times factors, computed in float64, in the dtype of the array."""
    if (factors == 1).all():
        return array
    found = np.empty(array.shape, array.dtype)
    for part, out, factor in zip(chunks(array), chunks(found), chunks(factors), strict=True):
        out[:] = part * factor[:, None]
    return found


def product(matrix, vector):
    """Return the product of a matrix and a vector in float64."""
    return np.concatenate([part.astype(np.float64) @ vector for part in chunks(matrix)])


def row_norms(array):
    """Return the norms of the rows in float64."""
    parts = [np.square(part, dtype=np.float64).sum(axis=1) for part in chunks(array)]
    return np.sqrt(np.concatenate(parts))


def chunks(array):
    """Return views of consecutive rows."""
    return [array[start : start + CHUNK_ROWS] for start in range(0, len(array), CHUNK_ROWS)]
