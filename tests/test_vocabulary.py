"""A vocabulary is a sequence of its pieces, with vectors of unit norm that nobody can change."""

import copy
import pickle

import joblib
import numpy as np
import pytest

from skdict.activations import Vocabulary

PIECES = [" cat", " dog", "\udce2", ""]


@pytest.fixture
def vectors():
    return np.random.default_rng(0).standard_normal((4, 3))


def test_is_a_sequence_of_its_pieces():
    vocabulary = Vocabulary(PIECES)
    assert list(vocabulary) == [vocabulary[i] for i in range(len(vocabulary))] == PIECES
    assert vocabulary[-1] == "" and vocabulary[np.int32(1)] == " dog"
    assert " dog" in vocabulary and vocabulary.index(" dog") == 1
    assert vocabulary.vectors is None
    with pytest.raises(IndexError):
        vocabulary[4]


def test_equals_any_sequence_of_the_same_pieces(vectors):
    vocabulary = Vocabulary(PIECES, vectors)
    for same in (PIECES, tuple(PIECES), Vocabulary(PIECES), vocabulary):
        assert vocabulary == same and same == vocabulary
    for other in (PIECES[:3], [*PIECES[:3], "x"], set(PIECES), None, 4):
        assert vocabulary != other
    assert Vocabulary(["a", "b"]) != "ab"
    assert hash(vocabulary) == hash(Vocabulary(PIECES))


def test_slices_keep_pieces_and_vectors_together(vectors):
    vocabulary = Vocabulary(PIECES, vectors)
    assert vocabulary[::-2] == PIECES[::-2]
    np.testing.assert_array_equal(vocabulary[::-2].vectors, vocabulary.vectors[::-2])


def test_never_prints_its_pieces(vectors):
    assert repr(Vocabulary([f"t{i}" for i in range(50_000)])) == "Vocabulary(50000 pieces)"
    assert repr(Vocabulary(PIECES, vectors)) == "Vocabulary(4 pieces, vectors of 3 dimensions)"


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_vectors_are_directions(dtype):
    largest = float(np.finfo(dtype).max) / 8
    rows = [[3, -4], [0, 0], [3 * largest, 4 * largest], [3e-3, 4e-3]]
    found = Vocabulary(PIECES, np.array(rows, dtype)).vectors
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, [[0.6, -0.8], [0, 0], [0.6, 0.8], [0.6, 0.8]], atol=1e-3)


def test_small_and_large_float64_rows_keep_their_direction():
    found = Vocabulary(["a", "b"], [[3e-300, 4e-300], [3e300, 4e300]]).vectors
    np.testing.assert_allclose(found, [[0.6, 0.8]] * 2, atol=1e-3)


def test_vectors_of_vectors_have_the_same_bits():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((5000, 128)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) * rng.uniform(0.998, 1.002, (5000, 1))
    once = Vocabulary([""] * 5000, rows)
    again = Vocabulary(once, once.vectors)
    np.testing.assert_array_equal(again.vectors, once.vectors)


def test_cannot_be_changed(vectors):
    vocabulary = Vocabulary(PIECES, vectors)
    before = vocabulary.vectors.copy()
    vectors[:] = 0
    with pytest.raises(ValueError, match="read-only"):
        vocabulary.vectors[0] = 0
    with pytest.raises(AttributeError):
        vocabulary.vectors = None
    with pytest.raises(TypeError):
        vocabulary[0] = "x"
    np.testing.assert_array_equal(vocabulary.vectors, before)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))]
)
@pytest.mark.parametrize("has_vectors", [True, False])
def test_copies_are_equal(copied, has_vectors, vectors):
    vocabulary = Vocabulary(PIECES, vectors if has_vectors else None)
    found = copied(vocabulary)
    assert isinstance(found, Vocabulary) and found == PIECES
    np.testing.assert_array_equal(found.vectors, vocabulary.vectors)
    assert joblib.hash(found) == joblib.hash(vocabulary)


@pytest.mark.parametrize(
    ("pieces", "vectors", "error", "message"),
    [
        ("abcd", None, TypeError, "pieces is str; pass a list"),
        ({"a": 0}, None, TypeError, "pieces is dict"),
        (["a", 1], None, TypeError, r"pieces\[1\] is int"),
        (["a", b"b"], None, TypeError, r"pieces\[1\] is bytes"),
        (PIECES, np.zeros((4, 3), int), TypeError, "vectors has dtype int64; pass .* float16"),
        (PIECES, np.zeros(4), ValueError, r"shape \(4,\); pass .* 4 rows"),
        (PIECES, np.zeros((3, 4)), ValueError, r"shape \(3, 4\); pass .* 4 rows"),
        (PIECES, np.zeros((4, 0)), ValueError, "at least one column"),
        (PIECES, [[0.0], [1.0], [np.nan], [np.inf]], ValueError, r"vectors\[2\] is not finite"),
    ],
)
def test_bad_pieces_and_vectors(pieces, vectors, error, message):
    with pytest.raises(error, match=message):
        Vocabulary(pieces, vectors)
