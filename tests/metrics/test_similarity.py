"""Similarities of directions: known answers and invariances."""

import itertools

import numpy as np
import pytest

from skdict.metrics import _similarity as module
from skdict.metrics import feature_recovery, max_cosine_similarity


@pytest.fixture
def directions():
    rng = np.random.default_rng(0)
    return rng.standard_normal((30, 8)), rng.standard_normal((20, 8))


def test_equal_to_the_plain_formula(directions, monkeypatch):
    first, second = directions
    unit = [d / np.linalg.norm(d, axis=1, keepdims=True) for d in directions]
    expected = (unit[0] @ unit[1].T).max(axis=1)
    monkeypatch.setattr(module, "CHUNK_ROWS", 7)
    np.testing.assert_allclose(max_cosine_similarity(first, second), expected)


def test_with_itself_it_is_one_whatever_lengths_and_order(directions):
    first, _ = directions
    shuffled = first[::-1] * np.arange(1, 31)[:, None]
    for one_to_one in (False, True):
        found = max_cosine_similarity(first, shuffled, one_to_one=one_to_one)
        np.testing.assert_allclose(found, 1)
    assert feature_recovery(first, shuffled) == 1


def test_signs_count(directions):
    first, _ = directions
    assert feature_recovery(-first[:3], first[:3], threshold=0.99) == 0


def test_not_symmetric():
    some, all_ = np.eye(4)[:2], np.eye(4)
    assert max_cosine_similarity(some, all_).tolist() == [1, 1]
    assert max_cosine_similarity(all_, some).tolist() == [1, 1, 0, 0]
    assert feature_recovery(some, all_) == 0.5


def test_matching_is_one_to_one_and_at_most_the_maximum(directions):
    first, second = directions
    matched = max_cosine_similarity(first, second, one_to_one=True)
    assert matched.shape == (20,)
    assert matched.mean() <= max_cosine_similarity(second, first).mean()
    twice = max_cosine_similarity(np.vstack([second[0], second[0]]), second, one_to_one=True)
    assert twice.max() == pytest.approx(1)
    assert twice.min() < 1 - 1e-6


def test_the_best_matching_is_that_of_all_permutations(directions):
    first, second = directions[0][:4], directions[1][:5]
    unit = [d / np.linalg.norm(d, axis=1, keepdims=True) for d in (first, second)]
    cosines = unit[0] @ unit[1].T
    best = max(
        (cosines[range(4), list(order)] for order in itertools.permutations(range(5), 4)),
        key=np.sum,
    )
    np.testing.assert_allclose(max_cosine_similarity(first, second, one_to_one=True), best)
    # The order is that of the smaller dictionary.
    np.testing.assert_allclose(max_cosine_similarity(second, first, one_to_one=True), best)


def test_zero_rows_are_like_nothing():
    assert max_cosine_similarity(np.zeros((1, 3)), np.eye(3)).tolist() == [0]


def test_bad_input(directions):
    first, second = directions
    with pytest.raises(ValueError, match="the same width"):
        max_cosine_similarity(first, second[:, :5])
    with pytest.raises(ValueError, match="directions have shapes"):
        max_cosine_similarity(first[:0], second)
    with pytest.raises(TypeError, match="one_to_one=1"):
        max_cosine_similarity(first, second, one_to_one=1)
    with pytest.raises(ValueError, match="threshold=1.5"):
        feature_recovery(first, second, threshold=1.5)
