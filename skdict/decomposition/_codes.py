"""Encode rows, check and decode codes, and measure the variance explained."""

import numpy as np
import scipy.sparse

from skdict._core import (
    RunningMoments,
    active_codes,
    iter_active_codes,
    iter_codes,
    to_csr,
    without_autocast,
)
from skdict._validation import as_numbers, check_finite, compute_dtype
from skdict.decomposition._blocks import finite_blocks


def encode_rows(dictionary, X, *, sparse_output, few_active=False):
    """Encode rows with an `AffineDictionary`, chunk by chunk.

    Parameters
    ----------
    dictionary : AffineDictionary
        Dictionary in the dtype that `compute_dtype` returns for X.
    X : array-like of shape (n, d)
        Rows, checked by `check_rows`.
    sparse_output : bool
        If True, return a CSR array, else a dense array.
    few_active : bool, default=False
        If True, search for the few active codes instead of computing all. This needs a dictionary
        with a `Gate`, and has no effect if the gate cannot be searched. It must be a property of
        the dictionary, because deciding by the rows would make a row's codes depend on other rows.

    Returns
    -------
    csr_array or ndarray of shape (n, m)
        Codes of the rows.
    """
    with without_autocast(dictionary.components.device):
        return _encoded(dictionary, X, sparse_output, few_active)


def _encoded(dictionary, X, sparse_output, few_active):
    dtype = compute_dtype(X)
    blocks = (block for _, block in finite_blocks(X))
    n_components = len(dictionary.components)
    on_cpu = dictionary.components.device.type == "cpu"
    if few_active and on_cpu and dictionary.nonlinearity.is_searched:
        parts = iter_active_codes(dictionary, blocks)
        if sparse_output:
            return to_csr(parts, n_components, dtype)
        chunks = (codes.to_dense(n_components) for codes in parts)
    else:
        chunks = iter_codes(dictionary, blocks)
        if sparse_output:
            return to_csr(map(active_codes, chunks), n_components, dtype)
    codes = np.empty((len(X), n_components), dtype=dtype)
    start = 0
    for chunk in chunks:
        codes[start : start + len(chunk)] = chunk.cpu().numpy()
        start += len(chunk)
    return codes


def check_codes(codes, n_components, name):
    """Return codes as a dense or CSR array of float32 or float64, after checking them.

    Raises
    ------
    ValueError
        If the number of columns is not `n_components`, or a code is NaN or infinite.
    """
    if scipy.sparse.issparse(codes):
        codes = scipy.sparse.csr_array(codes)
    else:
        codes = np.asarray(as_numbers("codes", codes))
    if codes.ndim != 2 or codes.shape[1] != n_components:
        raise ValueError(
            f"codes have shape {codes.shape}; {name} decodes codes of shape "
            f"(n_rows, {n_components}), as returned by transform"
        )
    codes = codes if codes.dtype in (np.float32, np.float64) else codes.astype(np.float32)
    _check_finite_codes(codes)
    return codes


def _check_finite_codes(codes):
    """Raise ValueError if a code is NaN or infinite; the message names the first such row."""
    if not scipy.sparse.issparse(codes):
        check_finite(codes, 0, "codes")
    elif not np.isfinite(codes.data).all():
        entry = int(np.argmin(np.isfinite(codes.data)))
        row = int(np.searchsorted(codes.indptr, entry, side="right")) - 1
        check_finite(codes[row : row + 1].toarray(), row, "codes")


def decode_rows(codes, atoms, offset):
    """Return ``offset + codes @ atoms`` in the dtype of the codes."""
    rows = codes @ atoms.astype(codes.dtype, copy=False)
    rows += offset.astype(codes.dtype, copy=False)
    return rows


def explained_variance(pairs, width, name="X"):
    """Return 1 - FVU, accumulated block by block in float64.

    Parameters
    ----------
    pairs : iterable of (ndarray, ndarray)
        Blocks of rows (n, width) and of their reconstructions.
    width : int
        Width of the rows.
    name : str, default="X"
        Name of the rows in the message.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the rows do not vary.
    """
    moments = RunningMoments(width)
    squared_error = 0.0
    for block, rebuilt in pairs:
        moments.update(block)
        squared_error += float(np.square(block - rebuilt, dtype=np.float64).sum())
    if moments.squared_deviations == 0:
        raise ValueError(
            f"the {moments.n_rows} rows of {name} do not vary, so FVU is not defined; pass at "
            f"least two different rows"
        )
    return 1.0 - squared_error / moments.squared_deviations
