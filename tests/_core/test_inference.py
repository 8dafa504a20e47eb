"""Codes in CSR are the dense codes, and a row's codes are its own."""

import numpy as np
import pytest
import torch

from skdict._core import (
    AffineDictionary,
    _inference,
    active_codes,
    iter_active_codes,
    iter_codes,
    to_csr,
)
from skdict._core._backends import is_compiled

WAYS = ["over all", "portable"] + ["compiled"] * is_compiled()


@pytest.fixture(scope="module")
def dictionary():
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((96, 24))
    return AffineDictionary.from_arrays(
        components=directions,
        encoder=directions,
        encoder_bias=np.full(96, -4.0),
        center=rng.standard_normal(24),
        offset=rng.standard_normal(24),
        dtype=torch.float32,
        device="cpu",
    )


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(1).standard_normal((1000, 24), dtype=np.float32)


@pytest.fixture(params=WAYS)
def encode(request):
    def over_all(dictionary, *blocks):
        return to_csr(map(active_codes, iter_codes(dictionary, blocks)), 96, np.float32)

    def over_active(dictionary, *blocks):
        compiled = request.param == "compiled"
        return to_csr(iter_active_codes(dictionary, blocks, compiled=compiled), 96, np.float32)

    return over_all if request.param == "over all" else over_active


def test_equal_to_the_dense_formula(encode, dictionary, rows):
    codes = encode(dictionary, rows)
    directions, center = dictionary.encoder.double().numpy(), dictionary.center.double().numpy()
    dense = np.maximum((rows - center) @ directions.T - 4, 0)
    assert 0 < codes.nnz < 0.5 * dense.size
    np.testing.assert_allclose(codes.toarray(), dense, atol=1e-5)
    assert codes.indices.dtype == np.int32
    assert codes.has_canonical_format


def test_codes_of_a_row_do_not_depend_on_its_batch(encode, dictionary, rows):
    whole = encode(dictionary, rows).toarray()
    alone = np.vstack([encode(dictionary, rows[i : i + 1]).toarray() for i in range(0, 1000, 50)])
    np.testing.assert_array_equal(alone, whole[::50])
    backwards = encode(dictionary, rows[::-1]).toarray()[::-1]
    np.testing.assert_array_equal(backwards, whole)


def test_values_are_gathered_over_many_blocks(encode, dictionary, rows, monkeypatch):
    whole = encode(dictionary, rows)
    monkeypatch.setattr(_inference, "GATHER_VALUES", 37)
    again = encode(dictionary, rows)
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(again, name), getattr(whole, name))


def test_blocks_may_be_cut_anywhere(encode, dictionary, rows):
    whole = encode(dictionary, rows)
    parts = encode(dictionary, rows[:3], rows[3:600], rows[600:])
    np.testing.assert_array_equal(parts.toarray(), whole.toarray())


def test_rows_without_codes(encode, dictionary):
    center = dictionary.center.numpy()
    codes = encode(dictionary, np.stack([center, center]))
    assert codes.shape == (2, 96)
    assert codes.nnz == 0


def test_many_codes_take_wide_indices(encode, dictionary, rows, monkeypatch):
    monkeypatch.setattr(_inference, "MOST_NARROW", 100)
    wide = encode(dictionary, rows)
    assert wide.indices.dtype == wide.indptr.dtype == np.int64
