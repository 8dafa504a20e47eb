"""How much of the rows a reconstruction misses."""

import numpy as np

from skdict._core import iter_blocks
from skdict._validation import as_rows, check_finite
from skdict.decomposition import moments_of


def reconstruction_bias(X, X_hat):
    r"""Return by how much reconstructions fall short, as the factor on what they should be.

    .. math:: \frac{\sum_i \|\hat x_i - \mu\|^2}{\sum_i (x_i - \mu) \cdot (\hat x_i - \mu)}

    with :math:`\mu` the mean of X. Below 1 where a penalty pulls codes down: dividing by it is
    the rescaling that would lower the squared error most.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows: an array, a memory map or `Activations`.
    X_hat : array-like of shape (n_samples, n_features)
        Their reconstruction.

    Returns
    -------
    float
        1 for a perfect reconstruction; nan where reconstructions are all the mean, or have
        nothing in common with the rows.

    Raises
    ------
    ValueError
        As `fvu`.

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
    r"""Return the fraction of variance unexplained.

    .. math:: \mathrm{FVU} = \frac{\sum_i \|x_i - \hat x_i\|^2}{\sum_i \|x_i - \mu\|^2}

    with both sums over all rows, in float64, block by block, and :math:`\mu` the mean of X:
    1 minus scikit-learn's ``r2_score(..., multioutput="variance_weighted")``.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows: an array, a memory map or `Activations`.
    X_hat : array-like of shape (n_samples, n_features)
        Their reconstruction.

    Returns
    -------
    float
        0 for a perfect reconstruction, 1 for the mean row.

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
    """Return both as rows, and the moments of the first, or say what is wrong with them."""
    X, X_hat = as_rows(X), as_rows(X_hat)
    if X.shape != X_hat.shape:
        raise ValueError(
            f"X has shape {tuple(X.shape)} and X_hat {tuple(X_hat.shape)}; pass two arrays of "
            f"one shape (n_rows, width)"
        )
    moments = moments_of(X)
    if moments.squared_deviations == 0:
        raise ValueError(
            f"the {moments.n_rows} rows of X do not vary, so FVU is not defined; pass at "
            f"least two different rows"
        )
    return X, X_hat, moments
