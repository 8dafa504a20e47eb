"""Sums over pairs of a feature and a token are those of counting."""

import numpy as np

from skdict.inspection._token_tables import PairSums


def test_pair_sums_past_what_is_set_aside():
    rng = np.random.default_rng(0)
    features, tokens = rng.integers(0, 300, 400_000), rng.integers(0, 400, 400_000)
    sums = PairSums()
    for part in np.array_split(np.arange(400_000), 9):
        sums.add(features[part], tokens[part], np.ones(len(part)))
    expected = np.bincount(features * 400 + tokens, minlength=300 * 400).reshape(300, 400)
    for feature in (0, 17, 299):
        ids, numbers, totals = sums.of_feature(feature)
        assert np.array_equal(ids, np.flatnonzero(expected[feature]))
        assert np.array_equal(numbers, expected[feature][ids])
        assert np.array_equal(totals, numbers)
