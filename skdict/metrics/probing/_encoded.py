"""Rows and codes of the drawn samples, read in blocks."""

import numpy as np
import scipy.sparse

from skdict._validation import check_finite, compute_dtype

# Maximum number of codes in a dense block.
BLOCK_CODES = 2_000_000


class EncodedRows:
    """Samples that are single rows. Codes are computed block by block and not kept.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary.
    n_components : int
        Number of its components.
    X : array-like of shape (n_rows, n_features)
        Rows.
    used : ndarray of int, shape (n_samples,)
        Sorted indices of the rows that are samples.
    """

    def __init__(self, dictionary, n_components, X, used):
        self.n_components, self._dictionary = n_components, dictionary
        self.rows = finite_rows(X, used)

    def blocks(self):
        """Yield (start, codes) over the samples in order."""
        step = block_rows(self.n_components)
        for start in range(0, len(self.rows), step):
            yield start, encode(self._dictionary, self.rows[start : start + step])


class PooledDocuments:
    """Samples that are documents, with rows and codes averaged over their tokens.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary.
    n_components : int
        Number of its components.
    X : array-like of shape (n_rows, n_features)
        Rows.
    samples : ndarray of int, shape (n_rows,)
        Sample to which each row belongs, or -1.
    n_samples : int
        Number of samples.
    """

    def __init__(self, dictionary, n_components, X, samples, n_samples):
        self.n_components = n_components
        self.rows = np.zeros((n_samples, X.shape[1]))
        self._codes = np.zeros((n_samples, n_components), dtype=compute_dtype(X))
        used = np.flatnonzero(samples >= 0)
        counts = np.bincount(samples[used], minlength=n_samples)
        step = block_rows(n_components)
        for start in range(0, len(used), step):
            block = used[start : start + step]
            rows = finite_rows(X, block)
            owners, owner = np.unique(samples[block], return_inverse=True)
            shares = (1 / counts[samples[block]]).astype(rows.dtype)
            mean = scipy.sparse.csr_array((shares, (owner, np.arange(len(block)))))
            self.rows[owners] += mean @ rows
            self._codes[owners] += _dense(mean @ encode(dictionary, rows))

    def blocks(self):
        """Yield (start, codes) over the samples in order."""
        step = block_rows(self.n_components)
        for start in range(0, len(self.rows), step):
            yield start, self._codes[start : start + step]


def block_rows(n_components):
    """Return the number of rows whose codes fit into a block."""
    return int(np.clip(BLOCK_CODES // n_components, 64, 8192))


def finite_rows(X, used):
    """Return some rows as a finite array in the dtype to compute in."""
    rows = np.asarray(X[used]).astype(compute_dtype(X), copy=False)
    faulty = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if len(faulty):
        check_finite(rows[faulty[:1]], int(used[faulty[0]]))
    return rows


def encode(dictionary, rows):
    """Return the codes of rows as a sparse or dense array."""
    codes = dictionary.transform(rows)
    return scipy.sparse.csr_array(codes) if scipy.sparse.issparse(codes) else np.asarray(codes)


def _dense(codes):
    return codes.toarray() if scipy.sparse.issparse(codes) else codes
