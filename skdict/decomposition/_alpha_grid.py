"""Derive a grid of alphas from the rows."""

import numpy as np

from skdict._core import find_outlier_rule, sample_rows

SAMPLE_ROWS = 2048
# Ratio of the largest to the smallest alpha of a grid.
SPAN = 25


def alpha_grid(X, n_alphas, *, center, rescale):
    r"""Return a geometric grid of `n_alphas` values from `alpha_max` / 25 to `alpha_max`.

    .. math:: \alpha_{\max} = 2 \operatorname*{median}_i \max_{j \ne i}
        \frac{\tilde x_i \cdot \tilde x_j}{\|\tilde x_j\|}

    over a sample of centred and scaled rows. For a single unit direction, the code that minimises
    the objective is :math:`p - \alpha / 2`, where p is the projection of the row. At `alpha_max`,
    half of the rows would therefore have no active code if directions were those of other rows.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Rows, of which a sample is drawn with a fixed seed. Outlier rows are ignored.
    n_alphas : int
        Number of values. 1 returns `alpha_max` / 5, the geometric middle of the range.
    center, rescale : bool
        Parameters of `SparseDictionaryAutoencoder`.

    Returns
    -------
    ndarray of shape (n_alphas,), dtype float64
    """
    largest = largest_useful_alpha(X, center=center, rescale=rescale)
    if n_alphas == 1:
        return np.array([largest / np.sqrt(SPAN)])
    return np.geomspace(largest / SPAN, largest, n_alphas)


def largest_useful_alpha(X, *, center, rescale):
    """Return `alpha_max` as defined in `alpha_grid`."""
    rule = find_outlier_rule(X, center=center)
    rows = sample_rows(X, SAMPLE_ROWS).astype(np.float64)
    rows = rows[np.isfinite(rows).all(axis=1)] - rule.center
    norms = np.linalg.norm(rows, axis=1)
    kept = (norms <= rule.cutoff) & (norms > 0)
    rows, norms = rows[kept], norms[kept]
    if len(rows) < 2:
        # All rows are equal; `fit` rejects them with a specific message.
        return 1.0
    projections = rows @ (rows / norms[:, None]).T
    np.fill_diagonal(projections, -np.inf)
    largest = np.median(projections.max(axis=1))
    # If no row has a positive projection onto another, use the norms instead.
    largest = largest if largest > 0 else np.median(norms)
    scale = np.sqrt(np.square(norms).mean()) if rescale else 1.0
    return float(2 * largest / scale)
