"""Blocks of codes are those of the whole, signs apart, and observers see every row."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from skdict import Activations
from skdict.inspection import FeatureColumns


@pytest.fixture
def acts():
    rng = np.random.default_rng(0)
    lengths = [5, 150, 20, 25]
    return Activations(
        rng.standard_normal((200, 6)).astype(np.float32),
        documents=np.repeat(np.arange(4), lengths),
        positions=np.concatenate([np.arange(n) for n in lengths]),
        token_ids=rng.integers(0, 9, 200),
    )


@pytest.mark.parametrize("sign", ["split", "positive"])
def test_blocks_are_the_codes_of_the_whole(acts, sign, monkeypatch):
    # Blocks of 64 rows: one document is longer.
    monkeypatch.setattr("skdict.inspection._encoding.BLOCK_CODES", 1)
    pca = PCA(4, random_state=0).fit(np.asarray(acts))
    codes = pca.transform(np.asarray(acts))
    whole = np.maximum(np.hstack([codes, -codes]) if sign == "split" else codes, 0)
    columns, parts = FeatureColumns(pca, sign), []
    blocks = list(columns.blocks(acts, observe=lambda rows, codes: parts.append((rows, codes))))
    found = np.concatenate([block.toarray() for block, _ in blocks])
    np.testing.assert_allclose(found, whole, rtol=1e-4, atol=1e-6)
    assert [len(rows) for rows, _ in parts] == [5, 64, 64, 22, 45]
    np.testing.assert_array_equal(np.concatenate([rows for rows, _ in parts]), np.asarray(acts))
    assert np.concatenate([codes for _, codes in parts]) == pytest.approx(codes, abs=1e-6)


def test_some_features_are_columns_of_all(acts):
    columns = FeatureColumns(PCA(4, random_state=0).fit(np.asarray(acts)), "split")
    features = np.array([6, 1, 2])
    (whole, _), (some, _) = (next(columns.blocks(acts, features=f)) for f in (None, features))
    np.testing.assert_array_equal(some.toarray(), whole.toarray()[:, features])
