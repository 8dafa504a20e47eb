"""Features are counted and drawn in one pass, as a plain loop draws them in two."""

import numpy as np
import pytest

from skdict import Activations, IdentityDictionary
from skdict.inspection import FeatureColumns
from skdict.inspection.evidence import FeatureDraw, Stream, join_blocks, uniform

WIDTH = 40


class Counting(IdentityDictionary):
    """A dictionary that counts the rows it encodes."""

    def transform(self, X):
        self.n_encoded = getattr(self, "n_encoded", 0) + len(X)
        return super().transform(X)


@pytest.fixture
def columns(monkeypatch):
    """Rare features, some negative, some silent for most documents, over many small blocks."""
    monkeypatch.setattr("skdict.inspection._encoding.BLOCK_CODES", 64 * WIDTH)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1500, WIDTH)) * (rng.random((1500, WIDTH)) < 0.01)
    X[:1400, ::3] = 0
    X[:, 5] = 0
    X[:, 7] = -np.abs(X[:, 7])
    row = np.arange(1500)
    acts = Activations(X.astype("f"), documents=row // 30, positions=row % 30, token_ids=row % 11)
    return FeatureColumns(Counting().fit(acts), "split"), acts


def plain(columns, acts, n_features, order, seed):
    """Return the features by a count of all codes first."""
    codes = np.asarray(columns.dictionary.transform(np.asarray(acts)))
    codes = np.maximum(np.hstack([codes, -codes]), 0)
    counts = (codes > 0).sum(axis=0)
    if n_features is not None and order == "random":
        living = np.flatnonzero(counts)
        keys = [float(uniform(seed, Stream.FEATURES, j)) for j in living]
        drawn = living[np.argsort(keys, kind="stable")[:n_features]]
        return codes, counts, np.sort(drawn)
    exist = [j for j in range(2 * WIDTH) if counts[j] or j < WIDTH]
    return codes, counts, np.array(exist[:n_features])


@pytest.mark.parametrize("order", ["random", "index"])
@pytest.mark.parametrize("n_features", [None, 1, 7, 39, 60, 500])
def test_one_pass_draws_what_two_draw(columns, n_features, order):
    columns, acts = columns
    for seed in (0, 1):
        drawn = FeatureDraw(n_features, order, seed).codes(columns, acts)
        codes, counts, features = plain(columns, acts, n_features, order, seed)
        assert np.array_equal(drawn.features, features)
        assert np.array_equal(drawn.counts, counts)
        together, tokens = join_blocks(drawn.blocks)
        assert np.array_equal(together.toarray(), codes[:, features])
        assert np.array_equal(tokens.token_ids, acts.token_ids)


def test_each_row_is_encoded_once(columns):
    columns, acts = columns
    FeatureDraw(5, "random", 0).codes(columns, acts)
    assert columns.dictionary.n_encoded == len(acts)
    chosen = np.arange(50) % 2 == 0
    FeatureDraw(5, "random", 0).codes(columns, acts, chosen)
    assert columns.dictionary.n_encoded == len(acts) * 3 // 2


@pytest.mark.parametrize("given", [[7], [47, 5, 0, 1], list(range(2 * WIDTH))[::-1]])
def test_given_features_keep_their_order(columns, given):
    columns, acts = columns
    # More than `n_features`, dead ones included: the list overrides the draw.
    drawn = FeatureDraw(2, "random", 0, np.array(given)).codes(columns, acts)
    codes, counts, _ = plain(columns, acts, None, "index", 0)
    assert drawn.features.tolist() == given
    assert np.array_equal(drawn.counts, counts)
    assert np.array_equal(join_blocks(drawn.blocks)[0].toarray(), codes[:, given])
    assert columns.dictionary.n_encoded == 2 * len(acts)


def test_given_features_must_exist(columns):
    columns, acts = columns
    with pytest.raises(ValueError, match="contains 80, which does not exist among 80 features"):
        FeatureDraw(None, "random", 0, [3, 80]).codes(columns, acts)


def test_rows_kept_are_those_asked_for(columns):
    columns, acts = columns
    draw = FeatureDraw(5, "random", 0)
    first = draw.codes(columns, acts, rows_of=lambda block: np.flatnonzero(block.positions == 0))
    codes, tokens = join_blocks(first.blocks)
    whole, _ = join_blocks(draw.codes(columns, acts).blocks)
    assert np.array_equal(codes.toarray(), whole.toarray()[acts.positions == 0])
    assert np.array_equal(tokens.documents, np.arange(50))
