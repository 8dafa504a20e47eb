"""Silent windows are those like windows with the feature, and prevalence is that of counting."""

import numpy as np

from skdict import Activations
from skdict.inspection import Record
from skdict.inspection.evidence import hardest, windows_and_prevalence


def test_hard_windows_are_those_of_like_tokens():
    def record(ids):
        return Record(0, 0, np.array(ids), np.zeros(len(ids)))

    silent = [record([5, 6, 7]), record([1, 2, 9]), record([1, 8, 9])]
    chosen = hardest(silent, [record([1, 2, 3]), record([2, 1, 4])], 2)
    assert [r.token_ids.tolist() for r in chosen] == [[1, 2, 9], [1, 8, 9]]


def test_prevalence_is_the_share_of_windows_with_a_code():
    rng = np.random.default_rng(0)
    lengths = rng.integers(3, 17, 30)
    ends = np.cumsum(lengths)
    codes = np.where(rng.random((ends[-1], 4)) < 0.1, 1.0, 0) * [1, 1, -1, 1]
    acts = Activations(
        np.zeros((ends[-1], 1)),
        documents=np.repeat(np.arange(30), lengths),
        positions=np.concatenate([np.arange(n) for n in lengths]),
        token_ids=rng.integers(0, 99, ends[-1]),
    )
    windows = [
        codes[start : min(start + 5, end)]
        for end, n in zip(ends, lengths, strict=True)
        for start in range(end - n, end, 5)
    ]
    options = {"window": 5, "n_active": 3, "n_silent": 2, "seed": 0}
    halves = [(codes[rows], acts[rows]) for rows in (slice(0, ends[9]), slice(ends[9], None))]
    records, found = windows_and_prevalence(halves, 4, **options)
    expected = np.mean([(window > 0).any(axis=0) for window in windows], axis=0)
    np.testing.assert_allclose(found, expected)
    assert found[2] == 0
    assert [len(own.random) for own in records] == [3, 3, 0, 3]
    assert [len(own.silent) for own in records] == [2, 2, 2, 2]
