"""Values at the edge of what is accepted."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from skdict import RandomDictionary, SparseDictionaryAutoencoder
from skdict._validation import check_finite, check_number, check_texts
from skdict.metrics import fvu


@pytest.mark.parametrize("value", [0, 0.5, np.float32(0.5), np.int64(1), 1])
def test_numbers_of_every_kind(value):
    check_number("x", value, low=0, high=1)


@pytest.mark.parametrize("value", [True, np.True_, "1", None, 1j, [1]])
def test_what_is_no_number(value):
    with pytest.raises(TypeError, match="x=.* is not accepted: pass a number >= 0"):
        check_number("x", value, low=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -1, 0])
def test_numbers_out_of_bounds(value):
    with pytest.raises(ValueError, match="pass a number > 0 and <= 5; or so"):
        check_number("x", value, above=0, high=5, hint="or so")


def test_large_finite_values_are_finite():
    block = np.full((2, 2), 1e308)
    assert check_finite(block, 0) is block


class Batches:
    """Rows that come one batch at a time, and no array."""

    def __iter__(self):
        yield np.ones((2, 3))


@pytest.mark.parametrize(
    "stream",
    [
        DataLoader(torch.ones(4, 3)),
        TensorDataset(torch.ones(4, 3)),
        Batches(),
        (block for block in np.ones((2, 4, 3))),
        map(np.asarray, [[1.0]]),
    ],
    ids=lambda stream: type(stream).__name__,
)
def test_streams_of_batches_are_refused_with_what_to_do(stream):
    told = r"X is \w+; pass an array.*memory map.*partial_fit"
    for refused in (
        SparseDictionaryAutoencoder(8).fit,
        SparseDictionaryAutoencoder(8).partial_fit,
        RandomDictionary(8).fit,
        RandomDictionary(8).fit(np.eye(3)).transform,
        lambda X: fvu(X, X),
    ):
        with pytest.raises(TypeError, match=told):
            refused(stream)


def test_texts_are_counted_from_the_first():
    with pytest.raises(ValueError, match=r"texts\[12\] is empty"):
        check_texts(["a", "b", ""], first=10)
    assert check_texts(["\U0001f600", "é"]) == ["\U0001f600", "é"]
