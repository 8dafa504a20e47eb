"""Running moments equal numpy's, however the rows are cut."""

import numpy as np
import pytest

from skdict._core import RunningMoments


@pytest.mark.parametrize("cuts", [[], [1], [10, 11, 500], list(range(0, 1000, 7))])
@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_equal_to_numpy(cuts, offset):
    rows = np.random.default_rng(0).standard_normal((1000, 5)) * [1, 2, 3, 4, 5] + offset
    moments = RunningMoments(5)
    for block in np.split(rows, cuts):
        moments.update(block)
    assert moments.n_rows == 1000
    np.testing.assert_allclose(moments.mean, rows.mean(0), rtol=1e-12)
    assert moments.variance == pytest.approx(rows.var(0).sum(), rel=1e-9)
    assert moments.mean_square == pytest.approx(np.square(rows).sum(1).mean(), rel=1e-9)


def test_equal_rows_have_no_variance():
    moments = RunningMoments(3).update(np.full((1000, 3), 0.1, dtype=np.float32))
    moments.update(np.full((7, 3), 0.1, dtype=np.float32))
    assert moments.squared_deviations == 0
