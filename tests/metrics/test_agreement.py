"""Agreement of dictionaries: known answers and a plain reference."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.cluster import KMeans

from skdict import SparseDictionaryAutoencoder
from skdict.datasets import make_sparse_features
from skdict.metrics import (
    capacity,
    code_correlation,
    dictionary_similarity,
    max_cosine_similarity,
)


@pytest.fixture
def directions():
    return np.random.default_rng(0).standard_normal((30, 8))


def test_capacity_equals_its_formula(directions):
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    expected = 1 / np.square(unit @ unit.T).sum(axis=1)
    np.testing.assert_allclose(capacity(directions), expected)
    assert capacity(directions).sum() <= 8 + 1e-9
    rotation = np.linalg.qr(directions[:8])[0]
    np.testing.assert_allclose(capacity(3 * rotation), 1)
    assert capacity(np.zeros((2, 3))).tolist() == [0, 0]


def test_correlation_equals_numpy():
    rng = np.random.default_rng(0)
    first, second = (rng.random((200, 6)) * (rng.random((200, 6)) < 0.3) for _ in range(2))
    second[:, 0] = 2 * first[:, 3] + 1
    first[:, 5] = 7.0
    with np.errstate(invalid="ignore"):
        full = np.nan_to_num(np.corrcoef(first.T, second.T)[:6, 6:])
    for kind in (np.asarray, scipy.sparse.csr_array):
        np.testing.assert_allclose(
            code_correlation(kind(first), kind(second)), full.max(axis=1), atol=1e-9
        )
    assert code_correlation(first, second)[3] == pytest.approx(1)
    with pytest.raises(ValueError, match="200 rows but reference has 199"):
        code_correlation(first, second[1:])


def test_similarity_of_dictionaries_and_chance():
    data = make_sparse_features(10_000, n_features=64, n_components=128, random_state=0)
    first, second = (SparseDictionaryAutoencoder(random_state=s).fit(data.X) for s in (0, 1))
    result = dictionary_similarity(first, second)
    assert result["mmcs"] > 0.7 > 0.5 > result["mmcs_random"]
    truth = dictionary_similarity(first, data.components)
    assert truth["shared_back"] > 0.95
    assert truth["mmcs_back"] > truth["mmcs"]
    assert dictionary_similarity(first, first)["matched"] == pytest.approx(1)
    matched = max_cosine_similarity(first.components_, data.components, one_to_one=True)
    assert truth["matched"] == pytest.approx(matched.mean())


def test_chance_is_what_random_directions_give(directions):
    seeds = [dictionary_similarity(directions, directions, random_state=s) for s in range(5)]
    values = [s["mmcs_random"] for s in seeds]
    assert np.ptp(values) < 0.1
    assert all(s["mmcs"] == pytest.approx(1) for s in seeds)


def test_bad_input(directions):
    with pytest.raises(ValueError, match="the same width"):
        dictionary_similarity(directions, directions[:, :5])
    with pytest.raises(ValueError, match="threshold=2"):
        dictionary_similarity(directions, directions, threshold=2)
    with pytest.raises(TypeError, match="KMeans has no components_"):
        dictionary_similarity(KMeans(2, n_init=1).fit(directions), directions)
