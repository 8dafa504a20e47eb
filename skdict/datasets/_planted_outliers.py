"""Add outlier rows and outlier dimensions to rows, keeping the planted codes unchanged."""

import numpy as np

from skdict._validation import check_number


def check_outliers(
    shape, *, n_outlier_rows, outlier_scale, n_outlier_dimensions, outlier_dimension_share
):
    """Check that rows of this shape can have so many outliers."""
    most, hint = shape[0] // 2, "outlier rows are at most half of n_samples"
    check_number("n_outlier_rows", n_outlier_rows, low=0, high=most, integer=True, hint=hint)
    check_number("outlier_scale", outlier_scale, above=1)
    most, hint = shape[1] - 1, "at least one of the n_features must be left unchanged"
    check_number(
        "n_outlier_dimensions", n_outlier_dimensions, low=0, high=most, integer=True, hint=hint
    )
    check_number("outlier_dimension_share", outlier_dimension_share, above=0)
    if outlier_dimension_share >= 1:
        raise ValueError(
            f"outlier_dimension_share={outlier_dimension_share} is not accepted: pass a share of "
            f"the variance between 0 and 1"
        )


def add_outliers(
    X, *, n_outlier_rows, outlier_scale, n_outlier_dimensions, outlier_dimension_share, rng
):
    """Add outlier dimensions, then outlier rows, to X in place.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), dtype float32
        Rows.
    n_outlier_rows : int
        Number of outlier rows.
    outlier_scale : float
        Norm of the outlier rows, as a multiple of the median norm of the ordinary rows.
    n_outlier_dimensions : int
        Number of outlier dimensions.
    outlier_dimension_share : float
        Share of the total variance of the ordinary rows that the outlier dimensions hold.
    rng : Generator
        Random number generator.

    Returns
    -------
    dict of str to ndarray
        Sorted indices of the outlier rows and dimensions, and the values added to each.
    """
    rows, dimensions = (
        np.sort(rng.choice(n, size, replace=False))
        for n, size in zip(X.shape, (n_outlier_rows, n_outlier_dimensions), strict=True)
    )
    ordinary = np.ones(len(X), dtype=bool)
    ordinary[rows] = False
    return {
        "outlier_rows": rows,
        "outlier_dimensions": dimensions,
        "outlier_dimension_values": _add_to_dimensions(
            X, dimensions, outlier_dimension_share, ordinary, rng
        ),
        "outlier_row_values": _add_to_rows(X, rows, outlier_scale, ordinary, rng),
    }


def _add_to_dimensions(X, dimensions, share, ordinary, rng):
    """Add normal values to dimensions of X in place, and return them."""
    values = rng.standard_normal((len(X), len(dimensions)), dtype=np.float32)
    if not len(dimensions):
        return values
    # The columns become x + b v, with variance var(x) + 2 b cov(x, v) + b^2 var(v). It must be
    # share / (1 - share) times the variance of the other columns.
    x, v = (part[ordinary].astype(np.float64) for part in (X[:, dimensions], values))
    x -= x.mean(axis=0)
    v -= v.mean(axis=0)
    present, cross, drawn = ((a * b).sum() / len(x) for a, b in ((x, x), (x, v), (v, v)))
    total = _total_variance(X, ordinary)
    missing = share / (1 - share) * (total - present) - present
    if not min(missing, drawn) > 0:
        raise ValueError(
            f"outlier_dimension_share={share} cannot be reached: before anything is added, the "
            f"chosen dimensions have variance {present:.3g} of {total:.3g} in total; raise "
            f"outlier_dimension_share, or n_samples, n_active or noise where X does not vary"
        )
    values *= np.float32((np.sqrt(cross**2 + drawn * missing) - cross) / drawn)
    X[:, dimensions] += values
    return values


def _add_to_rows(X, rows, scale, ordinary, rng):
    """Add multiples of one random direction to rows of X in place, and return them."""
    if not len(rows):
        return np.zeros((0, X.shape[1]), dtype=np.float32)
    direction = rng.standard_normal(X.shape[1])
    direction /= np.linalg.norm(direction)
    norms = np.sqrt(_square_norms(X))
    target = scale * np.median(norms[ordinary])
    if not target > norms[rows].max():
        raise ValueError(
            f"outlier_scale={scale} is too small: {scale} times the median norm is {target:.3g}, "
            f"but a chosen row already has norm {norms[rows].max():.3g}; raise outlier_scale, or "
            f"n_active or noise if most rows are zero"
        )
    along = X[rows] @ direction
    lengths = np.sqrt(along**2 + target**2 - norms[rows] ** 2) - along
    values = np.outer(lengths, direction).astype(np.float32)
    X[rows] += values
    return values


def _square_norms(X):
    # Accumulates in float64 without a float64 copy of X.
    return np.einsum("ij,ij->i", X, X, dtype=np.float64)


def _total_variance(X, ordinary):
    """Return the variance of the ordinary rows, summed over dimensions."""
    mean = X.mean(axis=0, dtype=np.float64, where=ordinary[:, None])
    return _square_norms(X)[ordinary].mean() - mean @ mean
