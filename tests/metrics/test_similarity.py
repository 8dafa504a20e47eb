"""Similarities of directions: known answers and invariances."""

import numpy as np
import pytest

from skdict.metrics import _similarity as module
from skdict.metrics import (
    feature_recovery,
    matched_cosine_similarity,
    max_cosine_similarity,
    mean_max_cosine_similarity,
)


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
    assert mean_max_cosine_similarity(first, second) == pytest.approx(expected.mean())


def test_with_itself_it_is_one_whatever_lengths_and_order(directions):
    first, _ = directions
    shuffled = first[::-1] * np.arange(1, 31)[:, None]
    assert mean_max_cosine_similarity(first, shuffled) == pytest.approx(1)
    np.testing.assert_allclose(matched_cosine_similarity(first, shuffled), 1)
    assert feature_recovery(first, shuffled) == 1


def test_signs_count(directions):
    first, _ = directions
    assert feature_recovery(-first[:3], first[:3], threshold=0.99) == 0


def test_not_symmetric():
    some, all_ = np.eye(4)[:2], np.eye(4)
    assert mean_max_cosine_similarity(some, all_) == 1
    assert mean_max_cosine_similarity(all_, some) == 0.5
    assert feature_recovery(some, all_) == 0.5


def test_matching_is_one_to_one_and_at_most_the_maximum(directions):
    first, second = directions
    matched = matched_cosine_similarity(first, second)
    assert matched.shape == (20,)
    assert matched.mean() <= mean_max_cosine_similarity(second, first)
    twice = np.vstack([second[0], second[0]])
    assert matched_cosine_similarity(twice, second).max() == pytest.approx(1)
    assert matched_cosine_similarity(twice, second).min() < 1 - 1e-6


def test_zero_rows_are_like_nothing():
    assert max_cosine_similarity(np.zeros((1, 3)), np.eye(3)).tolist() == [0]


def test_bad_input(directions):
    first, second = directions
    with pytest.raises(ValueError, match="the same width"):
        max_cosine_similarity(first, second[:, :5])
    with pytest.raises(ValueError, match="directions have shapes"):
        mean_max_cosine_similarity(first[:0], second)
    with pytest.raises(ValueError, match="threshold=1.5"):
        feature_recovery(first, second, threshold=1.5)
