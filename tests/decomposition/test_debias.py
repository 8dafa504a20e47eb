"""Debiasing is least squares on given supports: it rebuilds better and moves no support."""

import numpy as np
import pytest
import torch

from skdict import SparseDictionaryAutoencoder
from skdict.datasets import make_sparse_features
from skdict.decomposition import dictionary_atoms, to_torch
from skdict.io import load_dictionary, save_dictionary
from skdict.metrics import feature_recovery


@pytest.fixture(scope="module")
def data():
    return make_sparse_features(12_000, n_features=32, n_components=64, n_active=3, random_state=0)


@pytest.fixture(scope="module")
def pair(data):
    """The same training, without and with debiasing; the last rows are held out."""
    settings = {"n_components": 64, "alpha": 0.3, "max_iter": 4, "random_state": 0}
    X = data.X[:10_000]
    return [SparseDictionaryAutoencoder(debias=d, **settings).fit(X) for d in (False, True)]


def test_supports_stay_and_fvu_falls(data, pair):
    plain, debiased = pair
    held_out = data.X[10_000:]
    before, after = plain.transform(held_out), debiased.transform(held_out)
    np.testing.assert_array_equal(before.indptr, after.indptr)
    np.testing.assert_array_equal(before.indices, after.indices)
    assert (after.data > 0).all()
    assert 1 - debiased.score(held_out) < 0.8 * (1 - plain.score(held_out))
    np.testing.assert_allclose(np.linalg.norm(debiased.components_, axis=1), 1, rtol=1e-5)


def test_what_was_recovered_stays_recovered(data, pair):
    plain, debiased = (feature_recovery(sae.components_, data.components) for sae in pair)
    assert plain > 0.9
    assert debiased >= plain - 0.05


def test_codes_are_the_documented_formula(data, pair):
    _, sae = pair
    X = data.X[:200].astype(np.float64)
    projections = (X - sae.mean_) @ sae.encoder_.T.astype(np.float64) + sae.encoder_bias_
    codes = np.where(projections > 0, sae.code_gains_ * projections + sae.code_offsets_, 0)
    np.testing.assert_allclose(sae.transform(X[:200]).toarray(), codes, atol=1e-4)
    dense = sae.set_params(sparse_output=False).transform(X)
    sae.set_params(sparse_output=True)
    np.testing.assert_allclose(dense, codes, atol=1e-4)
    tensors = to_torch(sae, device="cpu", dtype="float64")
    np.testing.assert_allclose(tensors.encode(torch.from_numpy(X)).numpy(), codes, atol=1e-4)
    np.testing.assert_allclose(dictionary_atoms(sae), sae.components_, atol=1e-6)


def test_saved_and_loaded(pair, data, tmp_path):
    _, sae = pair
    save_dictionary(sae, tmp_path / "sae")
    again = load_dictionary(tmp_path / "sae")
    assert (again.transform(data.X[:100]) != sae.transform(data.X[:100])).nnz == 0


def test_training_does_not_go_on_from_it(pair, data):
    _, sae = pair
    with pytest.raises(ValueError, match="partial_fit does not know when.*call refit_codes"):
        sae.partial_fit(data.X)
    with pytest.raises(ValueError, match="debias=True"):
        SparseDictionaryAutoencoder(64, warm_start=True, debias=True, max_iter=1).set_params().fit(
            data.X[:500]
        ).fit(data.X[:500])


def test_a_fit_without_it_leaves_nothing_behind(data):
    sae = SparseDictionaryAutoencoder(16, debias=True, max_iter=1, random_state=0)
    sae.fit(data.X[:500])
    assert hasattr(sae, "code_gains_")
    sae.set_params(debias=False).fit(data.X[:500])
    assert not hasattr(sae, "code_gains_")
