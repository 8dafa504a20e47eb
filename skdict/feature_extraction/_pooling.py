"""Pool the rows of the tokens of a text into one row."""

import numpy as np
import scipy.sparse

POOLINGS = ("max", "mean", "last")


def pool_rows(rows, documents, n_documents, pooling, *, first=0):
    """Return one row for each document, pooled from the rows of its tokens.

    Parameters
    ----------
    rows : ndarray or csr_array of shape (n_tokens, width)
        Rows, sorted by document.
    documents : ndarray of shape (n_tokens,)
        Document of each row, in non-decreasing order.
    n_documents : int
        Number of documents.
    pooling : {"max", "mean", "last"}
        Pooling method.
    first : int, default=0
        Index of the first document, for the error message.

    Returns
    -------
    ndarray or csr_array of shape (n_documents, width)
        Pooled rows, sparse if `rows` is sparse.

    Raises
    ------
    ValueError
        If a document has no row.
    """
    counts = np.bincount(documents, minlength=n_documents)
    if not counts.all():
        raise ValueError(
            f"texts[{first + int(counts.argmin())}] has no token left to pool; leave "
            f"such short texts out or lower skip_first"
        )
    ends = np.cumsum(counts)
    if pooling == "last":
        return rows[ends - 1]
    if scipy.sparse.issparse(rows):
        return _pool_sparse(rows, documents, counts, pooling)
    if pooling == "max":
        return np.maximum.reduceat(rows, ends - counts, axis=0)
    # Sums in float16 would overflow, and lose precision long before that.
    sums = np.add.reduceat(rows, ends - counts, axis=0, dtype=np.float64)
    return (sums / counts[:, None]).astype(rows.dtype)


def _pool_sparse(rows, documents, counts, pooling):
    width = rows.shape[1]
    if pooling == "mean":
        shares = (1 / counts[documents]).astype(rows.dtype)
        each = np.arange(len(documents))
        weights = scipy.sparse.csr_array((shares, (documents, each)))
        return _with_short_indices(scipy.sparse.csr_array(weights @ rows))
    owner = np.repeat(documents.astype(np.int64), np.diff(rows.indptr))
    cells, group = np.unique(owner * width + rows.indices, return_inverse=True)
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=len(cells))
    values = np.maximum.reduceat(rows.data[order], np.cumsum(sizes) - sizes) if len(cells) else []
    # A code that is not stored for some row of the document is zero there.
    absent = sizes < counts[cells // width]
    values = np.where(absent, np.maximum(values, 0), values).astype(rows.dtype)
    place = cells // width, cells % width
    pooled = scipy.sparse.csr_array((values, place), shape=(len(counts), width))
    return _with_short_indices(pooled)


def _with_short_indices(rows):
    """Return rows with 32-bit indices where they fit: some scikit-learn solvers require them."""
    index = scipy.sparse.get_index_dtype(maxval=max(rows.nnz, *rows.shape))
    arrays = rows.data, rows.indices.astype(index), rows.indptr.astype(index)
    return scipy.sparse.csr_array(arrays, shape=rows.shape)
