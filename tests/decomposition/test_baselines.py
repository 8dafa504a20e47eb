"""The baselines are what they say."""

import numpy as np
import pytest
import scipy.sparse

from skdict import IdentityDictionary, RandomDictionary


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((400, 6)) + 3


def test_identity_codes_are_the_rows(rows):
    neurons = IdentityDictionary().fit(rows)
    np.testing.assert_array_equal(neurons.transform(rows), rows)
    np.testing.assert_array_equal(neurons.inverse_transform(rows), rows)
    sparse = scipy.sparse.csr_array(rows)
    np.testing.assert_array_equal(neurons.inverse_transform(sparse), rows)
    assert neurons.score(rows) == 1


def test_identity_returns_copies(rows):
    neurons = IdentityDictionary().fit(rows)
    neurons.transform(rows)[:] = 0
    neurons.inverse_transform(rows)[:] = 0
    assert rows.all()


def test_random_directions_follow_the_formula(rows):
    random = RandomDictionary(20, random_state=0).fit(rows)
    np.testing.assert_allclose(np.linalg.norm(random.components_, axis=1), 1)
    expected = np.maximum((rows - random.mean_) @ random.components_.T, 0)
    codes = random.transform(rows)
    np.testing.assert_allclose(codes, expected, atol=1e-12)
    rebuilt = random.inverse_transform(codes)
    np.testing.assert_allclose(
        rebuilt, random.mean_ + random.gain_ * expected @ random.components_, atol=1e-12
    )


def test_the_gain_is_the_least_squares_one(rows):
    random = RandomDictionary(20, random_state=0).fit(rows)
    best = random.score(rows)
    for factor in (0.99, 1.01):
        random.gain_ *= factor
        assert random.score(rows) < best
        random.gain_ /= factor


def test_random_default_size_and_seed(rows):
    first, second = (RandomDictionary(random_state=3).fit(rows) for _ in range(2))
    assert first.components_.shape == (24, 6)
    np.testing.assert_array_equal(first.components_, second.components_)


@pytest.mark.parametrize(
    ("options", "error"),
    [({"n_components": 0}, ValueError), ({"n_components": "4"}, TypeError)],
)
def test_bad_parameters(rows, options, error):
    with pytest.raises(error, match="n_components"):
        RandomDictionary(**options).fit(rows)


@pytest.mark.parametrize("estimator", [IdentityDictionary(), RandomDictionary(4)])
def test_bad_rows(rows, estimator):
    rows[5, 2] = np.nan
    with pytest.raises(ValueError, match="row 5, column 2"):
        estimator.fit(rows)
    estimator.fit(rows[:5])
    with pytest.raises(ValueError, match="row 5, column 2"):
        estimator.transform(rows)
    with pytest.raises(ValueError, match="codes of shape"):
        estimator.inverse_transform(rows[:5, :3])
