"""Moments agree with those of the whole, to the digits that float64 has."""

import numpy as np
import pytest
import scipy.stats

from skdict.inspection._moments import CodeMoments


def test_moments_of_a_large_constant_keep_their_digits():
    rng = np.random.default_rng(0)
    values = 1e6 + rng.standard_normal(5000)
    moments = CodeMoments(1)
    for part in np.array_split(values, 13):
        moments.update(np.zeros(len(part), dtype=int), part, len(part))
    assert moments.variance[0] == pytest.approx(values.var(), rel=1e-8)
    assert moments.kurtosis[0] == pytest.approx(scipy.stats.kurtosis(values), abs=1e-6)
