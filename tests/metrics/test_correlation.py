"""Correlations equal those of numpy and scipy, and are nan where a side does not vary."""

import numpy as np
import pytest
import scipy.sparse
import scipy.stats

from skdict.metrics import CorrelationSums, pearson


def of(predictions, codes, where=None, n_parts=1):
    sums = CorrelationSums(codes.shape[1])
    for part in np.array_split(np.arange(len(codes)), n_parts):
        masked = None if where is None else scipy.sparse.csr_array(where[part].astype(float))
        rows = (scipy.sparse.csr_array(a[part]) for a in (predictions, codes))
        sums.update(*rows, masked)
    return sums.correlation()


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    codes = np.where(rng.random((500, 6)) < 0.2, rng.gamma(1.0, size=(500, 6)), 0)
    return codes + rng.random((500, 6)) * (rng.random((500, 6)) < 0.3), codes


@pytest.mark.parametrize("n_parts", [1, 7])
def test_it_is_numpys_over_all_tokens(data, n_parts):
    predictions, codes = data
    expected = [np.corrcoef(predictions[:, j], codes[:, j])[0, 1] for j in range(6)]
    assert of(predictions, codes, n_parts=n_parts) == pytest.approx(expected)


def test_it_is_numpys_over_the_tokens_that_count(data):
    predictions, codes = data
    where = np.random.default_rng(1).random((500, 6)) < 0.5
    expected = [
        np.corrcoef(predictions[where[:, j], j], codes[where[:, j], j])[0, 1] for j in range(6)
    ]
    assert of(predictions, codes, where, n_parts=3) == pytest.approx(expected)


def test_scale_and_offset_do_not_matter_and_sign_does(data):
    _, codes = data
    assert of(3 * codes + 2, codes) == pytest.approx(1)
    assert of(-codes, codes) == pytest.approx(-1)


def test_a_constant_side_is_undefined(data):
    _, codes = data
    for constant in (0.0, 0.1, 1e6):
        assert np.isnan(of(np.full_like(codes, constant), codes)).all()
        assert np.isnan(of(codes, np.full_like(codes, constant))).all()


def test_independent_predictions_score_about_zero(data):
    _, codes = data
    noise = np.random.default_rng(5).random(codes.shape)
    assert np.abs(of(noise, codes)).max() < 4 / np.sqrt(len(codes))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_two_sequences_correlate_as_scipy_says(dtype):
    rng = np.random.default_rng(2)
    a, b = (rng.normal(10, 5, size=(2, 300)) + rng.normal(size=300)).astype(dtype)
    expected = scipy.stats.pearsonr(a.astype(float), b.astype(float)).statistic
    assert pearson(a, b) == pytest.approx(expected, abs=1e-12)
    assert pearson(a, 3 - 2 * a) == pytest.approx(-1)


def test_weights_are_those_of_a_plain_loop_and_count_as_repeats():
    rng = np.random.default_rng(3)
    a, b = rng.normal(3, 1, size=(2, 50))
    times = rng.integers(0, 4, size=50)
    total = float(times.sum())
    mean_a = sum(w * x for w, x in zip(times, a, strict=True)) / total
    mean_b = sum(w * y for w, y in zip(times, b, strict=True)) / total
    cross = square_a = square_b = 0.0
    for w, x, y in zip(times, a, b, strict=True):
        cross += w * (x - mean_a) * (y - mean_b)
        square_a += w * (x - mean_a) ** 2
        square_b += w * (y - mean_b) ** 2
    found = pearson(a, b, times)
    assert found == pytest.approx(cross / np.sqrt(square_a * square_b), abs=1e-12)
    repeated = (np.repeat(side, times) for side in (a, b))
    assert found == pytest.approx(pearson(*repeated), abs=1e-12)


@pytest.mark.parametrize("weights", [None, np.linspace(1, 2, 40)])
def test_a_sequence_without_variance_correlates_with_nothing(weights):
    a = np.random.default_rng(4).normal(size=40)
    # Equal but for rounding: 0.1 has no exact mean.
    for constant in (0.0, 0.1, 1e6, 0.1 + 1e-9 * a):
        side = np.broadcast_to(constant, 40)
        assert np.isnan(pearson(a, side, weights))
        assert np.isnan(pearson(side, a, weights))
    assert np.isfinite(pearson(a, 0.1 + 1e-3 * a, weights))
