"""What every dictionary of ours does with rows and codes: encode, check, decode, measure."""

import numpy as np
import scipy.sparse

from skdict._core import RunningMoments, active_codes, iter_active_codes, iter_codes, to_csr
from skdict._validation import as_numbers, check_finite, compute_dtype
from skdict.decomposition._blocks import finite_blocks


def encode_rows(dictionary, X, *, sparse_output, few_active=False):
    """Return the codes of rows under an `AffineDictionary`, chunk by chunk.

    Parameters
    ----------
    dictionary : AffineDictionary
        In the dtype that `compute_dtype` names for X.
    X : array-like of shape (n, d)
        Checked by `check_rows`.
    sparse_output : bool
        Whether codes are gathered in CSR or in a dense array.
    few_active : bool, default=False
        Search for the few codes that are active instead of computing all; needs a dictionary
        with a `Gate`, and changes nothing where that is not searched. It is a property of the
        dictionary and not of the rows, since a row's codes would otherwise depend on other rows.

    Returns
    -------
    csr_array or ndarray of shape (n, m)
    """
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
    """Return codes as an array, dense or CSR, of float32 or float64.

    Raises
    ------
    ValueError
        If there are not `n_components` columns, or a code is NaN or infinite.
    """
    if scipy.sparse.issparse(codes):
        codes = scipy.sparse.csr_array(codes)
    else:
        codes = np.asarray(as_numbers("codes", codes))
    if codes.ndim != 2 or codes.shape[1] != n_components:
        raise ValueError(
            f"codes have shape {codes.shape}; {name} decodes codes of shape "
            f"(n_rows, {n_components}), as transform gives them"
        )
    codes = codes if codes.dtype in (np.float32, np.float64) else codes.astype(np.float32)
    _check_finite_codes(codes)
    return codes


def _check_finite_codes(codes):
    """Refuse codes that are NaN or infinite (`ValueError`, which names the first row)."""
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


def explained_variance(X, encode, decode):
    """Return 1 - FVU of checked rows under encode and decode, block by block in float64.

    Raises
    ------
    ValueError
        If the rows do not vary.
    """
    moments = RunningMoments(X.shape[1])
    squared_error = 0.0
    for _, block in finite_blocks(X):
        moments.update(block)
        residual = block - decode(encode(block))
        squared_error += float(np.square(residual, dtype=np.float64).sum())
    if moments.squared_deviations == 0:
        raise ValueError(
            f"the {moments.n_rows} rows of X do not vary, so no fraction of their variance "
            f"is defined; pass at least two different rows"
        )
    return 1.0 - squared_error / moments.squared_deviations
