"""Refit by normal equations, stored as (m, m) arrays and summed over all rows in one pass."""

import numpy as np
import scipy.linalg

from skdict.decomposition._least_squares import prior_weights

SLICE_ROWS = 1024
# Three sums, plus the product of a block as CSR and as a dense array.
ARRAYS = 6


def needed_bytes(n_components):
    """Return the maximum memory of a refit, in bytes."""
    return ARRAYS * 4 * n_components**2


class Magnitudes:
    """Normal equations for gains and offsets.

    Parameters
    ----------
    pairs : iterable of (ndarray of shape (n, d), csr_array of shape (n, m))
        Centred rows and their codes before gains and offsets.
    components : ndarray of shape (m, d)
        Decoder directions.

    Attributes
    ----------
    counts : ndarray of shape (m,)
        Number of rows on which each feature fires.
    diagonal, right_side : ndarray of shape (2, m)
        Diagonal of the matrix and right side, for gains (first row) and offsets (second row).
    tolerance : float
        Relative residual at which conjugate gradients stop.
    """

    tolerance = 1e-5

    def __init__(self, pairs, components):
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
        self.counts = products[2].diagonal().astype(np.float64)
        for start in range(0, m, SLICE_ROWS):
            part = slice(start, start + SLICE_ROWS)
            products[:, part] *= components[part] @ components.T
        self._products = products
        self.diagonal = np.stack([products[i].diagonal() for i in (0, 2)]).astype(np.float64)
        self.right_side = (toward * components).sum(axis=2)

    def multiply(self, values):
        """Return the product of the matrix with gains and offsets, shape (2, m)."""
        both, mixed, fired = self._products
        gains, offsets = values.astype(np.float32)
        return np.stack([both @ gains + mixed @ offsets, mixed.T @ gains + fired @ offsets])


def fit_directions(pairs, components):
    """Return the directions (m, d) that minimise the squared reconstruction error, given codes.

    Parameters
    ----------
    pairs : iterable of (ndarray of shape (n, d), csr_array of shape (n, m))
        Centred rows and their refitted codes.
    components : ndarray of shape (m, d)
        Current directions, toward which the ridge pulls.
    """
    m, d = components.shape
    products, toward = np.zeros((m, m), np.float32), np.zeros((m, d))
    counts = np.zeros(m)
    for rows, codes in pairs:
        products += (codes.T @ codes).toarray()
        toward += codes.T @ rows
        counts += np.bincount(codes.indices, minlength=m)
    weight = prior_weights(products.diagonal().astype(np.float64), counts)
    toward += weight[:, None] * components
    products[np.diag_indices(m)] += weight
    return scipy.linalg.solve(products, toward, assume_a="pos", overwrite_a=True, overwrite_b=True)
