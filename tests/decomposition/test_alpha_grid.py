"""The grid of alphas follows from the rows by the stated formula."""

import numpy as np
import pytest

from skdict import sparse_dictionary_path
from skdict.datasets import make_sparse_features
from skdict.decomposition._alpha_grid import alpha_grid


def rows(n=600):
    return make_sparse_features(n, n_features=24, n_components=48, random_state=0).X


def by_loops(X):
    """Return alpha_max row by row."""
    X = X.astype(float) - X.astype(float).mean(0)
    X /= np.sqrt((X**2).sum(1).mean())
    largest = []
    for i, row in enumerate(X):
        others = [other for j, other in enumerate(X) if j != i and np.linalg.norm(other) > 0]
        largest.append(max(row @ other / np.linalg.norm(other) for other in others))
    return 2 * np.median(largest)


def test_the_grid_is_geometric_up_to_twice_the_median_projection():
    X = rows()
    grid = alpha_grid(X, 5, center=True, rescale=True)
    assert grid[-1] == pytest.approx(by_loops(X), rel=1e-5)
    assert grid[-1] / grid[0] == pytest.approx(25)
    np.testing.assert_allclose(grid[1:] / grid[:-1], 25 ** (1 / 4))
    middle = alpha_grid(X, 1, center=True, rescale=True)
    np.testing.assert_allclose(middle, grid[2])


def test_scale_and_outliers_leave_the_grid():
    X = rows()
    grid = alpha_grid(X, 3, center=True, rescale=True)
    np.testing.assert_allclose(alpha_grid(1000 * X, 3, center=True, rescale=True), grid, rtol=1e-4)
    with_outliers = np.concatenate([X, 300 * X[:4]])
    moved = alpha_grid(with_outliers, 3, center=True, rescale=True)
    np.testing.assert_allclose(moved, grid, rtol=1e-5)
    plain = alpha_grid(X, 3, center=True, rescale=False)
    scale = np.sqrt(np.square(X - X.mean(0)).sum(1).mean())
    np.testing.assert_allclose(plain, grid * scale, rtol=1e-4)


def test_the_grid_spans_dense_to_sparse_codes():
    X = rows(3000)
    path = sparse_dictionary_path(X, 3, n_components=48, max_iter=5, random_state=0)
    l0 = path.measure(X)["l0"]
    assert l0[0] > 5 > 1 > l0[2]


@pytest.mark.parametrize("X", [np.eye(2), np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 4.0]])])
def test_few_rows_give_a_finite_grid(X):
    grid = alpha_grid(X, 3, center=True, rescale=True)
    assert np.isfinite(grid).all() and (np.diff(grid) > 0).all()
