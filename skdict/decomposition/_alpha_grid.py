"""Alphas to try: a grid derived from the rows, or one passed by the user."""

import numbers

import numpy as np

from skdict._core import find_outlier_rule, sample_rows
from skdict._validation import check_number

SAMPLE_ROWS = 2048
# Ratio of the largest to the smallest alpha of a grid.
SPAN = 25


def check_alphas(alphas):
    """Return alphas as an increasing float array, or a checked whole number as it is.

    Raises
    ------
    ValueError
        If there are none, or they are not increasing, negative or not finite.
    TypeError
        If they are not numbers.
    """
    if isinstance(alphas, numbers.Number):
        check_number("alphas", alphas, low=1, integer=True, hint="or a list of alphas, increasing")
        return int(alphas)
    values = np.asarray(alphas)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(
            f"alphas has shape {values.shape}; pass a list of at least one alpha, or how many of "
            f"them, such as alphas=8"
        )
    if values.dtype.kind not in "iuf":
        raise TypeError(f"alphas={alphas!r} is not accepted: pass numbers, such as [0.1, 0.2]")
    if not (np.isfinite(values) & (values >= 0)).all():
        wrong = values[~(np.isfinite(values) & (values >= 0))].tolist()
        raise ValueError(f"alphas holds {wrong}; pass finite numbers >= 0, such as [0.1, 0.2]")
    if (np.diff(values) <= 0).any():
        raise ValueError(
            f"alphas={values.tolist()} does not increase from each to the next; pass "
            f"np.unique(alphas)"
        )
    return values.astype(np.float64)


def alpha_grid(X, n_alphas, *, center, rescale):
    r"""Return `n_alphas` values in geometric progression, from `alpha_max` / 25 to `alpha_max`.

    .. math:: \alpha_{\max} = 2 \operatorname*{median}_i \max_{j \ne i}
        \frac{\tilde x_i \cdot \tilde x_j}{\|\tilde x_j\|}

    over a sample of centred and scaled rows. For a unit direction the code that minimises the
    objective is :math:`p - \alpha / 2`, where p is the projection of the row: at `alpha_max` the
    directions of other rows would give half of the rows no code.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Rows; only a sample with a fixed seed is read. Outlier rows are left out.
    n_alphas : int
        Values to return; 1 gives `alpha_max` / 5, the middle of the range.
    center, rescale : bool
        As for `SparseDictionaryAutoencoder`.

    Returns
    -------
    ndarray of shape (n_alphas,), dtype float64
    """
    largest = largest_useful_alpha(X, center=center, rescale=rescale)
    if n_alphas == 1:
        return np.array([largest / np.sqrt(SPAN)])
    return np.geomspace(largest / SPAN, largest, n_alphas)


def alphas_for(X, alphas, dictionary):
    """Return checked alphas as an array; a number becomes a grid."""
    if isinstance(alphas, int):
        return alpha_grid(X, alphas, center=dictionary.center, rescale=dictionary.rescale)
    return alphas


def largest_useful_alpha(X, *, center, rescale):
    """Return `alpha_max` of `alpha_grid`."""
    rule = find_outlier_rule(X, center=center)
    rows = sample_rows(X, SAMPLE_ROWS).astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)] - rule.center
    norms = np.linalg.norm(rows, axis=1)
    kept = (norms <= rule.cutoff) & (norms > 0)
    rows, norms = rows[kept], norms[kept]
    if len(rows) < 2:
        # Rows that are all equal, which `fit` refuses with a message of its own.
        return 1.0
    projections = rows @ (rows / norms[:, None]).T
    np.fill_diagonal(projections, -np.inf)
    largest = np.median(projections.max(axis=1))
    # If no row has a positive projection on another one, fall back on the norms.
    largest = largest if largest > 0 else np.median(norms)
    scale = np.sqrt(np.square(norms).mean()) if rescale else 1.0
    return float(2 * largest / scale)
