"""Values at the edge of what is accepted."""

import numpy as np
import pytest

from skdict._validation import check_finite, check_number


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
