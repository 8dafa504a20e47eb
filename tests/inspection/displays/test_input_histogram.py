"""Bars hold every firing of a feature."""

import numpy as np
import pytest
import scipy.sparse

from skdict import Activations
from skdict.inspection import InputHistogramDisplay
from tests.inspection.displays.drawn import heights, texts


@pytest.mark.parametrize("stat", ["count", "share"])
def test_input_histogram(acts, path, stat):
    codes = path[0].transform(acts)
    feature = int(np.argmax((codes > 0).sum(axis=0)))
    display = InputHistogramDisplay.from_estimator(path[0], acts, feature, n_tokens=3, stat=stat)
    n_fired = (codes[:, [feature]] > 0).sum()
    total = n_fired if stat == "count" else np.count_nonzero(display.counts.sum(axis=0))
    assert heights(display.ax_).sum() == pytest.approx(total)
    assert "other tokens" in texts(display.ax_)
    assert f"Feature {feature}: tokens it fires on" in texts(display.ax_)


def test_input_histogram_of_what_never_fires(acts):
    with pytest.raises(ValueError, match="feature 0 never fires"):
        InputHistogramDisplay.from_codes(np.zeros((600, 1)), acts, 0)


def test_counts_are_those_of_each_token_in_each_bin():
    rng = np.random.default_rng(0)
    n = 3000
    many = Activations(
        np.zeros((n, 1), dtype=np.float32),
        documents=np.zeros(n, dtype=int),
        positions=np.arange(n),
        token_ids=rng.zipf(1.5, n).clip(max=9),
    )
    codes = np.where(rng.random((n, 3)) < 0.5, rng.normal(1, 1, (n, 3)), 0)
    sparse = scipy.sparse.csr_array(codes)
    found = InputHistogramDisplay.from_codes(sparse, many, 2, n_bins=7, n_tokens=4)
    values = codes[codes[:, 2] > 0, 2]
    ids = many.token_ids[codes[:, 2] > 0]
    assert np.array_equal(found.counts.sum(axis=0), np.histogram(values, bins=7)[0])
    frequent = np.argsort(-np.bincount(ids), kind="stable")[:4]
    assert found.tokens == [f"<{i}>" for i in frequent]
    for token, counts in zip(frequent, found.counts, strict=False):
        assert np.array_equal(counts, np.histogram(values[ids == token], bins=found.edges)[0])


def test_histogram_of_one_code(acts):
    codes = np.zeros((len(acts), 2))
    codes[3, 1] = 2.0
    one = InputHistogramDisplay.from_codes(codes, acts, 1)
    assert one.tokens == [acts.token(3)]
    assert one.counts.sum() == 1


def test_bad_input(acts):
    codes = np.ones((len(acts), 2))
    with pytest.raises(TypeError, match="pass Activations"):
        InputHistogramDisplay.from_codes(codes, np.asarray(acts), 0)
    with pytest.raises(ValueError, match="feature=2"):
        InputHistogramDisplay.from_codes(codes, acts, 2)
    with pytest.raises(ValueError, match="n_bins=0"):
        InputHistogramDisplay.from_codes(codes, acts, 0, n_bins=0)
