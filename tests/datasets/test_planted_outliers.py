"""Outlier rows and dimensions are as large as asked, and leave the truth as it is."""

import numpy as np
import pytest

from skdict.datasets import make_sparse_features

PLANTED = {"n_samples": 4000, "n_features": 24, "n_components": 50, "noise": 0.05}
ROWS = {"n_outlier_rows": 8, "outlier_scale": 150.0}
DIMENSIONS = {"n_outlier_dimensions": 2, "outlier_dimension_share": 0.65}


def variances(X):
    return X.astype(np.float64).var(axis=0)


@pytest.mark.parametrize("options", [{}, ROWS, DIMENSIONS, {**ROWS, **DIMENSIONS}])
def test_rows_are_rebuilt_from_the_truth(options):
    clean = make_sparse_features(**PLANTED, random_state=1)
    data = make_sparse_features(**PLANTED, **options, random_state=1)
    rebuilt = clean.X
    rebuilt[:, data.outlier_dimensions] += data.outlier_dimension_values
    rebuilt[data.outlier_rows] += data.outlier_row_values
    np.testing.assert_array_equal(data.X, rebuilt)
    np.testing.assert_array_equal(data.components, clean.components)
    np.testing.assert_array_equal(data.codes.toarray(), clean.codes.toarray())
    assert data.X.dtype == np.float32


def test_rows_without_noise_are_codes_times_directions_plus_outliers():
    data = make_sparse_features(**{**PLANTED, "noise": 0.0}, **ROWS, **DIMENSIONS, random_state=0)
    rebuilt = data.codes @ data.components
    rebuilt[:, data.outlier_dimensions] += data.outlier_dimension_values
    rebuilt[data.outlier_rows] += data.outlier_row_values
    np.testing.assert_array_equal(data.X, rebuilt)


@pytest.mark.parametrize("options", [{}, DIMENSIONS])
def test_outlier_rows_have_the_norm_asked_for_and_one_direction(options):
    data = make_sparse_features(**PLANTED, **ROWS, **options, random_state=0)
    norms = np.linalg.norm(data.X, axis=1)
    others = np.delete(norms, data.outlier_rows)
    assert len(data.outlier_rows) == 8
    np.testing.assert_allclose(norms[data.outlier_rows], 150 * np.median(others), rtol=1e-5)
    assert others.max() < 10 * np.median(others)
    directions = data.outlier_row_values / np.linalg.norm(data.outlier_row_values, axis=1)[:, None]
    np.testing.assert_allclose(directions @ directions.T, 1, rtol=1e-5)
    # If all others had the median norm: 8 x 150^2 of 8 x 150^2 + 3,992.
    assert (norms[data.outlier_rows] ** 2).sum() > 0.95 * (norms**2).sum()


@pytest.mark.parametrize("options", [{}, ROWS])
@pytest.mark.parametrize(("n_dimensions", "share"), [(1, 0.65), (3, 0.2), (23, 0.999)])
def test_outlier_dimensions_hold_the_share_asked_for(n_dimensions, share, options):
    data = make_sparse_features(
        **PLANTED,
        **options,
        n_outlier_dimensions=n_dimensions,
        outlier_dimension_share=share,
        random_state=0,
    )
    ordinary = variances(np.delete(data.X, data.outlier_rows, axis=0))
    assert len(set(data.outlier_dimensions)) == n_dimensions
    assert ordinary[data.outlier_dimensions].sum() / ordinary.sum() == pytest.approx(share)


def test_outliers_are_drawn_by_the_seed():
    first, again, other = (
        make_sparse_features(**PLANTED, **ROWS, **DIMENSIONS, random_state=seed)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.X, again.X)
    assert set(first.outlier_rows) != set(other.outlier_rows)
    assert set(first.outlier_dimensions) != set(other.outlier_dimensions)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_outlier_rows": 2001}, ValueError, "n_outlier_rows=2001 .* <= 2000; .* half"),
        ({"n_outlier_rows": 0.1}, TypeError, "n_outlier_rows=0.1 .* integer"),
        ({"n_outlier_rows": 1, "outlier_scale": 1}, ValueError, "outlier_scale=1 .* > 1"),
        (
            {"n_outlier_rows": 50, "outlier_scale": 1.01},
            ValueError,
            "outlier_scale=1.01 is too small: .* already has norm .*; raise outlier_scale",
        ),
        (
            {"n_outlier_rows": 1, "n_active": 0.1, "noise": 0},
            ValueError,
            "100.0 times the median norm is 0, .* raise outlier_scale, or n_active or noise",
        ),
        ({"n_outlier_dimensions": 24}, ValueError, "n_outlier_dimensions=24 .* <= 23"),
        (
            {"n_outlier_dimensions": 1, "outlier_dimension_share": 1},
            ValueError,
            "outlier_dimension_share=1 .* between 0 and 1",
        ),
        (
            {"n_outlier_dimensions": 1, "outlier_dimension_share": 1e-4},
            ValueError,
            "outlier_dimension_share=0.0001 cannot be reached: .* in total; raise",
        ),
        ({"n_outlier_dimensions": 1, "n_samples": 1}, ValueError, "where X does not vary"),
        (
            {"n_outlier_dimensions": 1, "n_outlier_rows": 1, "n_samples": 2},
            ValueError,
            "where X does not vary",
        ),
    ],
)
def test_bad_parameters(options, error, message):
    with pytest.raises(error, match=message):
        make_sparse_features(**{**PLANTED, "random_state": 0, **options})
