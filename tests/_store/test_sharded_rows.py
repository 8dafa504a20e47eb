"""Rows in several files are indexed as one array is."""

import numpy as np
import pytest

from skdict._store import ShardedRows, _sharded_rows


@pytest.fixture
def plain():
    return np.random.default_rng(0).standard_normal((11, 3)).astype(np.float16)


@pytest.fixture
def sharded(plain, tmp_path):
    lengths, paths, start = [4, 0, 1, 6], [], 0
    for number, length in enumerate(lengths):
        paths.append(tmp_path / f"{number}.npy")
        np.save(paths[-1], plain[start : start + length])
        start += length
    return ShardedRows(paths, lengths, 3, np.float16)


@pytest.mark.parametrize(
    "key",
    [
        slice(None),
        slice(1, 3),
        slice(3, 6),
        slice(2, 11),
        slice(4, 5),
        slice(11, 11),
        slice(8, 2),
        slice(None, None, 4),
        slice(None, None, -1),
        np.array([10, 0, 4, 3, 3, -1]),
        np.array([], dtype=int),
        np.arange(11) % 3 == 0,
        [5, 2],
        0,
        -1,
        4,
    ],
)
def test_keys_select_as_numpy_does(sharded, plain, key):
    found = sharded[key]
    np.testing.assert_array_equal(found, plain[key])
    assert found.dtype == plain.dtype


def test_looks_like_an_array(sharded, plain):
    assert (sharded.shape, sharded.ndim, sharded.dtype, len(sharded)) == ((11, 3), 2, "f2", 11)
    assert np.asarray(sharded, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.array(sharded), plain)


def test_a_slice_within_a_file_copies_nothing_and_cannot_be_written(sharded):
    assert np.shares_memory(sharded[5:9], sharded[6:7])
    with pytest.raises(ValueError, match="read-only"):
        sharded[5:9][0] = 0


@pytest.mark.parametrize("row", [11, -12])
def test_rows_out_of_range(sharded, row):
    with pytest.raises(IndexError, match="out of range for 11 rows"):
        sharded[row]
    with pytest.raises(IndexError, match="out of range for 11 rows"):
        sharded[np.array([0, row])]


def test_few_files_are_open_at_a_time(sharded, plain, monkeypatch):
    monkeypatch.setattr(_sharded_rows, "MOST_OPEN", 1)
    view = sharded[5:7]
    np.testing.assert_array_equal(sharded[:], plain)
    assert len(sharded._maps) == 1
    np.testing.assert_array_equal(view, plain[5:7])


def test_a_file_that_changed_before_it_is_mapped_is_reported(sharded, plain):
    np.testing.assert_array_equal(sharded[:5], plain[:5])
    np.save(sharded._paths[3], plain)
    with pytest.raises(ValueError, match="has changed since the store was loaded"):
        sharded[9]
