"""Outlier rows are those far beyond the median distance, found robustly and counted exactly."""

import numpy as np
import pytest
import torch

from skdict._core import (
    InlierMoments,
    RunningMoments,
    find_outlier_rule,
    iter_blocks,
    outlier_weights,
)
from skdict._core._outliers import MEDIANS


def rows(n=3000, d=12, n_outliers=0, seed=0):
    X = np.random.default_rng(seed).standard_normal((n, d)).astype("float32") + 4
    where = np.linspace(0, n - 1, n_outliers).astype(int)
    X[where] *= 100
    return X, where


def test_cutoff_is_eight_medians_of_the_distance_from_the_mean():
    X, _ = rows()
    rule = find_outlier_rule(X)
    norms = np.linalg.norm(X.astype(float) - X.astype(float).mean(0), axis=1)
    assert rule.cutoff == pytest.approx(MEDIANS * np.median(norms))
    assert not rule.is_outlier(X).any()


@pytest.mark.parametrize("n_outliers", [1, 30, 300])
def test_planted_outliers_are_found_and_move_nothing(n_outliers):
    X, where = rows(n_outliers=n_outliers)
    rule = find_outlier_rule(X)
    clean = np.delete(X, where, axis=0).astype(float)
    # Far from the origin, a hundred times a row is a hundred times the mean away.
    np.testing.assert_array_equal(np.flatnonzero(rule.is_outlier(X)), where)
    np.testing.assert_allclose(rule.center, clean.mean(0), rtol=1e-6)
    assert rule.cutoff == pytest.approx(find_outlier_rule(clean).cutoff, rel=1e-6)


def test_moments_of_inliers_are_those_of_the_rows_without_outliers():
    X, where = rows(n_outliers=7)
    moments = InlierMoments(find_outlier_rule(X))
    for _, block in iter_blocks(X, block_bytes=8 * 12 * 700):
        moments.update(block)
    clean = np.delete(X, where, axis=0).astype(float)
    assert moments.outliers == where.tolist()
    np.testing.assert_allclose(moments.inliers.mean, clean.mean(0), rtol=1e-9)
    assert moments.inliers.variance == pytest.approx(clean.var(0).sum())
    whole = X.astype(float)
    assert moments.total.variance == pytest.approx(whole.var(0).sum())
    share = 1 - clean.var(0).sum() * len(clean) / (whole.var(0).sum() * len(whole))
    assert moments.outlier_share == pytest.approx(share)


def test_without_outliers_the_moments_are_equal_to_the_bit():
    X, _ = rows()
    moments, plain = InlierMoments(find_outlier_rule(X)), RunningMoments(12)
    for _, block in iter_blocks(X, block_bytes=8 * 12 * 700):
        moments.update(block)
        plain.update(block)
    assert moments.outliers == []
    assert moments.outlier_share == 0
    np.testing.assert_array_equal(moments.inliers.mean, plain.mean)
    assert moments.inliers.variance == plain.variance


def test_rows_at_the_mean_do_not_set_the_median():
    X = np.zeros((500, 3))
    X[:50] = np.random.default_rng(0).standard_normal((50, 3))
    X[:50] -= X[:50].mean(0)
    assert not find_outlier_rule(X).is_outlier(X).any()
    # Not even where their mean is off the row that most of them equal.
    X[:50] = np.abs(X[:50])
    assert not find_outlier_rule(X).is_outlier(X).any()
    assert find_outlier_rule(np.ones((9, 2))).cutoff == np.inf


def test_an_outlier_counts_like_an_ordinary_row():
    norms = torch.tensor([0.0, 3.0, 8.0, 8.001, 80.0], dtype=torch.float64)
    weights = outlier_weights(norms, 8.0)
    assert weights[:3].tolist() == [1, 1, 1]
    torch.testing.assert_close(weights[3:] * norms[3:] ** 2, torch.full((2,), 4.0).double())


def test_without_centring_distances_are_norms():
    X, _ = rows()
    rule = find_outlier_rule(X, center=False)
    assert not rule.center.any()
    assert rule.cutoff == pytest.approx(MEDIANS * np.median(np.linalg.norm(X, axis=1)))


def test_a_sample_of_many_rows_is_drawn_alike_each_time():
    X, _ = rows(n=40_000, n_outliers=4)
    first, second = find_outlier_rule(X), find_outlier_rule(X)
    np.testing.assert_array_equal(first.center, second.center)
    assert first.cutoff == second.cutoff
    norms = np.linalg.norm(X - 4.0, axis=1)
    assert first.cutoff == pytest.approx(MEDIANS * np.median(norms), rel=0.05)
