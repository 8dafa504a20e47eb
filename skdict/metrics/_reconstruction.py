"""Measure the error and the bias of reconstructions."""

import numpy as np

from skdict._core import iter_blocks
from skdict._validation import as_rows, check_finite
from skdict.decomposition import moments_of


def reconstruction_bias(X, X_hat):
    r"""Return the relative size of reconstructions, which shrinkage of codes lowers below 1.

    .. math:: \frac{\sum_i \|\hat x_i - \mu\|^2}{\sum_i (x_i - \mu) \cdot (\hat x_i - \mu)}

    with :math:`\mu` the mean of X. The value is below 1 if a penalty shrinks the codes; dividing
    the centred reconstructions by it is the rescaling that lowers the squared error most.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows: an array, a memory map or `Activations`.
    X_hat : array-like of shape (n_samples, n_features)
        Reconstruction of the rows.

    Returns
    -------
    float
        1 for a perfect reconstruction; nan if all reconstructions are the mean or are
        uncorrelated with the rows.

    Raises
    ------
    ValueError
        If the shapes differ, a value is not finite or the rows of X do not vary.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.metrics import reconstruction_bias
    >>> X = np.array([[1.0, -1.0], [-1.0, 1.0]])
    >>> reconstruction_bias(X, 0.8 * X)
    0.8
    """
    X, X_hat, moments = _measured(X, X_hat)
    norm = product = 0.0
    for start, block in iter_blocks(X):
        rebuilt = np.asarray(X_hat[start : start + len(block)], dtype=np.float64)
        rebuilt = check_finite(rebuilt, start, "X_hat") - moments.mean
        norm += float(np.vdot(rebuilt, rebuilt))
        product += float(np.vdot(rebuilt, block - moments.mean))
    is_mean = norm <= 1e-12 * moments.squared_deviations
    return float("nan") if is_mean or product == 0 else norm / product


def fvu(X, X_hat):
    r"""Return the fraction of variance unexplained (FVU).

    .. math:: \mathrm{FVU} = \frac{\sum_i \|x_i - \hat x_i\|^2}{\sum_i \|x_i - \mu\|^2}

    with :math:`\mu` the mean of X. Both sums run over all rows, in float64 and block by block. The
    result is 1 minus scikit-learn's ``r2_score(..., multioutput="variance_weighted")``.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows: an array, a memory map or `Activations`.
    X_hat : array-like of shape (n_samples, n_features)
        Reconstruction of the rows.

    Returns
    -------
    float
        0 for a perfect reconstruction, 1 if every row is reconstructed as the mean.

    Raises
    ------
    ValueError
        If the shapes differ, a value is not finite or the rows of X do not vary.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.metrics import fvu
    >>> X = np.array([[0.0, 1.0], [2.0, 1.0]])
    >>> fvu(X, X), fvu(X, np.ones((2, 2)))
    (0.0, 1.0)
    """
    X, X_hat, moments = _measured(X, X_hat)
    squared_error = 0.0
    for start, block in iter_blocks(X):
        rebuilt = np.asarray(X_hat[start : start + len(block)], dtype=np.float64)
        check_finite(rebuilt, start, "X_hat")
        squared_error += float(np.square(block - rebuilt).sum())
    return squared_error / moments.squared_deviations


def _measured(X, X_hat):
    """Return both arrays as rows, and the moments of X; raise ValueError if they do not fit."""
    X, X_hat = as_rows(X), as_rows(X_hat)
    if X.shape != X_hat.shape:
        raise ValueError(
            f"X has shape {tuple(X.shape)} but X_hat has shape {tuple(X_hat.shape)}; pass two "
            f"arrays of the same shape (n_rows, width)"
        )
    moments = moments_of(X)
    if moments.squared_deviations == 0:
        raise ValueError(
            f"the {moments.n_rows} rows of X do not vary, so the FVU is undefined; pass at "
            f"least two different rows"
        )
    return X, X_hat, moments
