"""Outlier rows neither set centre and scale nor rule training, and are counted and named."""

import warnings

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from skdict import SparseDictionaryAutoencoder, sparse_dictionary_path
from skdict.datasets import make_sparse_features
from skdict.exceptions import OutlierWarning
from skdict.io import load_dictionary, save_dictionary
from skdict.metrics import compare_dictionaries

WHERE = [17, 1400, 2999]


@pytest.fixture(scope="module")
def rows():
    return make_sparse_features(6000, n_features=32, n_components=64, random_state=0).X


@pytest.fixture(scope="module")
def swamped(rows):
    X = rows.copy()
    X[WHERE] *= 200
    return X


def fit(X, **options):
    options = {"max_iter": 3, "random_state": 0} | options
    return SparseDictionaryAutoencoder(64, **options).fit(X)


def matched_similarity(first, second):
    similarity = first.components_ @ second.components_.T
    return similarity[linear_sum_assignment(-similarity)].mean()


def test_centre_and_scale_are_those_of_the_other_rows(rows, swamped):
    with pytest.warns(OutlierWarning, match=r"3 of 6000 rows .* \(rows 17, 1400, 2999\)"):
        sae = fit(swamped)
    clean = np.delete(rows, WHERE, axis=0).astype(float)
    assert sae.n_outlier_rows_ == 3
    np.testing.assert_allclose(sae.mean_, clean.mean(0), atol=1e-6)
    assert sae.scale_ == pytest.approx(np.sqrt(clean.var(0).sum()), rel=1e-6)
    norms = np.linalg.norm(clean - clean.mean(0), axis=1)
    assert sae.outlier_cutoff_ == pytest.approx(8 * np.median(norms), rel=1e-5)


@pytest.mark.filterwarnings("ignore::skdict.exceptions.OutlierWarning")
def test_the_dictionary_is_nearly_that_of_the_other_rows(rows, swamped):
    clean = np.delete(rows, WHERE, axis=0)
    alone, with_outliers = fit(clean), fit(swamped)
    seeds = matched_similarity(alone, fit(clean, random_state=1))
    assert matched_similarity(alone, with_outliers) > seeds
    fvu = [1 - sae.score(clean) for sae in (alone, with_outliers)]
    assert fvu[1] < 1.05 * fvu[0]


@pytest.mark.filterwarnings("ignore::skdict.exceptions.OutlierWarning")
def test_fvu_is_reported_with_and_without_them(swamped):
    sae = fit(swamped)
    table = compare_dictionaries({"sae": sae}, None, swamped)
    clean = np.delete(swamped, WHERE, axis=0)
    assert table["sae"]["fvu_inliers"] == pytest.approx(1 - sae.score(clean), rel=1e-5)
    assert table["sae"]["fvu"] == pytest.approx(1 - sae.score(swamped), rel=1e-5)
    assert "fvu_inliers" in str(table)
    assert "fvu_inliers" not in str(compare_dictionaries({"sae": sae}, None, clean))
    last = sae.history_[-1]
    assert last["fvu_inliers"] == pytest.approx(1 - sae.score(clean), rel=0.05)


@pytest.mark.filterwarnings("ignore::skdict.exceptions.OutlierWarning")
def test_outliers_are_encoded_like_any_other_row(swamped):
    sae = fit(swamped)
    codes = sae.transform(swamped)[WHERE].toarray()
    expected = np.maximum((swamped[WHERE] - sae.mean_) @ sae.encoder_.T + sae.encoder_bias_, 0)
    np.testing.assert_allclose(codes, expected, rtol=1e-4, atol=1e-3)


def test_without_outliers_there_is_no_warning(rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error", OutlierWarning)
        assert fit(rows).n_outlier_rows_ == 0


def test_blocks_are_counted_by_the_cutoff_of_the_first(rows, swamped, tmp_path):
    sae = SparseDictionaryAutoencoder(64, random_state=0).partial_fit(rows)
    cutoff = sae.outlier_cutoff_
    save_dictionary(sae, tmp_path / "sae")
    for model in (sae, load_dictionary(tmp_path / "sae")):
        with pytest.warns(OutlierWarning, match="3 of 6000"):
            model.partial_fit(swamped)
        assert model.n_outlier_rows_ == 3
        assert model.outlier_cutoff_ == cutoff


def test_a_path_warns_once(swamped):
    with pytest.warns(OutlierWarning) as told:
        path = sparse_dictionary_path(swamped, [0.1, 0.2], n_components=64, max_iter=1)
    assert len([w for w in told if w.category is OutlierWarning]) == 1
    assert [sae.n_outlier_rows_ for sae in path] == [3, 3]
