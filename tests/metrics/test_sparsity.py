"""Sparsity of codes, dense or CSR, equals counting by hand."""

import numpy as np
import pytest
import scipy.sparse

from skdict.metrics import dead_features, l0

CODES = np.array([[0, 2, 0, -1], [0, 1, 0, 0], [0, 3, 0, 0.5]])


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array, scipy.sparse.csc_matrix])
def test_known_answers(kind):
    codes = kind(CODES)
    assert l0(codes) == pytest.approx(5 / 3)
    assert dead_features(codes).tolist() == [True, False, True, False]
    assert dead_features(codes, min_count=3).tolist() == [True, False, True, True]


def test_stored_zeros_do_not_count():
    codes = scipy.sparse.csr_array(CODES)
    codes.data[0] = 0
    assert l0(codes) == pytest.approx(4 / 3)


def test_ten_firings_are_dead_and_eleven_alive():
    codes = np.zeros((20, 2))
    codes[:10, 0] = codes[:11, 1] = 1
    assert dead_features(codes, min_count=11).tolist() == [True, False]


@pytest.mark.parametrize("codes", [np.zeros((0, 3)), np.zeros(3)])
def test_bad_codes(codes):
    with pytest.raises(ValueError, match="at least one row"):
        l0(codes)


@pytest.mark.parametrize(("count", "error"), [(0, ValueError), (1.5, TypeError)])
def test_bad_count(count, error):
    with pytest.raises(error, match="min_count"):
        dead_features(CODES, min_count=count)
