"""Running sums give the correlation over pooled tokens."""

import numpy as np
import pytest
import scipy.sparse

from skdict.metrics._correlation import CorrelationSums


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
