"""Summaries agree with counting by hand."""

import numpy as np
import pytest
import scipy.sparse

from skdict import Activations
from skdict.inspection import summarize_features

CODES = np.array(
    [[0, 1.0], [0, 2.0], [0, 0], [0, 4.0], [0, 3.0], [0, -9.0]],
)


@pytest.fixture
def acts():
    return Activations(
        np.zeros((6, 2)),
        documents=[0, 0, 0, 1, 1, 1],
        positions=[1, 2, 3, 1, 2, 3],
        token_ids=[0, 1, 2, 0, 1, 2],
        vocabulary=["a", " b", "\n"],
    )


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
def test_tokens_and_contexts(acts, kind):
    summary = summarize_features(kind(CODES), acts, [1])[0]
    assert summary.feature == 1
    assert summary.density == pytest.approx(4 / 6)
    assert summary.max_code == 4
    assert summary.top_tokens == [("a", 0.5), (" b", 0.5)]
    assert summary.contexts == [(4.0, "[a] b\n"), (2.0, "a[ b]\n")]
    shown = str(summary)
    assert "feature 1: fires on 66.67% of tokens; 'a' 50%" in shown
    assert "[a] b\\n" in shown


def test_limits(acts):
    summary = summarize_features(CODES, acts, [1], n_tokens=1, n_contexts=1)[0]
    assert len(summary.top_tokens) == len(summary.contexts) == 1


def test_a_dead_feature(acts):
    summary = summarize_features(CODES, acts, [0])[0]
    assert (summary.density, summary.max_code) == (0, 0)
    assert summary.top_tokens == summary.contexts == []


def test_views_count_their_own_rows(acts):
    view = acts[acts.documents == 1]
    summary = summarize_features(CODES[3:], view, [1])[0]
    assert summary.contexts == [(4.0, "[a] b\n")]


def test_bad_input(acts):
    with pytest.raises(TypeError, match="pass Activations"):
        summarize_features(CODES, np.zeros((6, 2)), [0])
    with pytest.raises(ValueError, match=r"codes have shape \(5, 2\) but activations have 6 rows"):
        summarize_features(CODES[1:], acts, [0])
    with pytest.raises(ValueError, match="features contains 2, which does not exist"):
        summarize_features(CODES, acts, [2])
    with pytest.raises(ValueError, match="n_tokens=-1"):
        summarize_features(CODES, acts, [0], n_tokens=-1)
