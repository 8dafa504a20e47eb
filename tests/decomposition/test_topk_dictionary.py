"""The strongest codes are kept, split and scaled as documented."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

from skdict import RandomDictionary, SparseDictionaryAutoencoder
from skdict.decomposition import TopKDictionary
from skdict.decomposition._topk_dictionary import keep_strongest


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((300, 8)) + 1


def test_dense_and_sparse_codes_are_cut_alike():
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((200, 12)) * (rng.random((200, 12)) < 0.5)
    lengths = rng.random(12)
    dense = keep_strongest(codes, 3, lengths)
    sparse = keep_strongest(scipy.sparse.csr_array(codes), 3, lengths)
    np.testing.assert_array_equal(sparse.toarray(), dense)
    assert np.count_nonzero(dense, axis=1).max() == 3
    np.testing.assert_array_equal(keep_strongest(codes, 50, lengths), codes)
    strength = np.sort(np.abs(codes) * lengths, axis=1)[:, -3:]
    np.testing.assert_allclose(np.sort(np.abs(dense) * lengths, axis=1)[:, -3:], strength)


def test_with_all_codes_it_is_the_dictionary_itself(rows):
    pca = PCA().fit(rows)
    topk = TopKDictionary(pca, 8).fit(rows)
    np.testing.assert_allclose(topk.transform(rows).toarray(), pca.transform(rows))
    np.testing.assert_allclose(topk.inverse_transform(topk.transform(rows)), rows)
    assert topk.score(rows) == pytest.approx(1)


def test_split_signs_rebuild_the_same_from_positive_codes(rows):
    whole = TopKDictionary(PCA(), 3).fit(rows)
    split = TopKDictionary(PCA(), 3, split_sign=True).fit(rows)
    codes = split.transform(rows)
    assert codes.shape == (300, 16)
    assert codes.data.min() > 0
    assert codes.nnz == 900
    np.testing.assert_allclose(
        split.inverse_transform(codes), whole.inverse_transform(whole.transform(rows))
    )


def test_the_gain_is_the_least_squares_one(rows):
    random = RandomDictionary(40, random_state=0).fit(rows)
    plain = TopKDictionary(random, 4).fit(rows)
    scaled = TopKDictionary(random, 4, gain=True).fit(rows)
    assert scaled.score(rows) > plain.score(rows)
    assert scaled.gain_ != 1
    best = scaled.score(rows)
    for factor in (0.98, 1.02):
        scaled.components_ *= factor
        assert scaled.score(rows) < best
        scaled.components_ /= factor


def test_fitted_ones_are_used_and_unfitted_ones_cloned(rows):
    fitted, unfitted = PCA(3).fit(rows[:50]), PCA(3)
    assert TopKDictionary(fitted, 2).fit(rows).dictionary_ is fitted
    topk = TopKDictionary(unfitted, 2).fit(rows)
    assert not hasattr(unfitted, "components_")
    np.testing.assert_allclose(topk.dictionary_.mean_, rows.mean(0))
    again = TopKDictionary(fitted, 2, prefit=False).fit(rows).dictionary_
    np.testing.assert_allclose(again.mean_, rows.mean(0))
    with pytest.raises(NotFittedError):
        TopKDictionary(unfitted, 2, prefit=True).fit(rows)


def test_clones_and_searches_keep_a_fitted_dictionary(rows):
    pca = PCA(4).fit(rows[:50])
    for prefit in ("auto", True):
        topk = TopKDictionary(pca, 2, prefit=prefit)
        assert clone(topk).fit(rows).dictionary_ is pca
        search = GridSearchCV(topk, {"k": [1, 2]}, cv=2, error_score="raise").fit(rows)
        assert search.best_params_ == {"k": 2}
        assert search.best_estimator_.dictionary_ is pca
    assert clone(TopKDictionary(pca, 2, prefit=False)).dictionary is not pca
    assert clone(TopKDictionary(PCA(4), 2)).fit(rows).dictionary_ is not pca


def test_fewer_active_codes_than_k(rows):
    sae = SparseDictionaryAutoencoder(16, alpha=1.0, max_iter=1, random_state=0).fit(rows)
    topk = TopKDictionary(sae, 10).fit(rows)
    np.testing.assert_array_equal(topk.transform(rows).toarray(), sae.transform(rows).toarray())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k": 0}, ValueError, "k=0"),
        ({"k": 1.5}, TypeError, "k=1.5"),
        ({"split_sign": 1}, TypeError, "split_sign=1"),
        ({"prefit": "yes"}, ValueError, "'auto', True, False"),
    ],
)
def test_bad_parameters(rows, options, error, message):
    with pytest.raises(error, match=message):
        TopKDictionary(PCA(2), **{"k": 1} | options).fit(rows)


def test_rows_of_another_width_than_the_fitted_dictionary(rows):
    with pytest.raises(ValueError, match="X has 5 columns but the fitted dictionary decodes to 8"):
        TopKDictionary(PCA(2).fit(rows), 1).fit(rows[:, :5])
