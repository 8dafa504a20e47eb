"""A grid of alphas derived from the rows."""

import numpy as np

from skdict._core import find_outlier_rule, sample_rows

SAMPLE_ROWS = 2048
# Ratio of the largest to the smallest alpha of a grid.
SPAN = 25


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
