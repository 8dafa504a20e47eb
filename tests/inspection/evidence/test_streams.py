"""Random numbers are uniform, repeat, and differ between streams."""

import numpy as np
import scipy.stats

from skdict.inspection.evidence import Stream, uniform


def test_keys_are_uniform_and_repeat():
    drawn = uniform(3, np.arange(20_000))
    assert scipy.stats.kstest(drawn, "uniform").pvalue > 1e-3
    assert np.array_equal(drawn, uniform(3, np.arange(20_000)))
    assert abs(np.corrcoef(drawn, uniform(4, np.arange(20_000)))[0, 1]) < 0.03


def test_every_stream_is_one_of_its_own():
    drawn = [uniform(3, stream, np.arange(5_000)) for stream in Stream]
    assert len({stream.value for stream in Stream}) == len(Stream) == 10
    correlations = np.corrcoef(drawn) - np.eye(len(Stream))
    assert np.abs(correlations).max() < 0.06
