"""Refitted codes: what debias=True gives, on any fitted dictionary, never a worse one."""

from copy import deepcopy

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from skdict import SparseDictionaryAutoencoder
from skdict.datasets import make_sparse_features
from skdict.decomposition import _debias_dense, _least_squares
from skdict.io import load_dictionary, save_dictionary
from tests.signed_topk import SignedTopK

DATA = make_sparse_features(8000, n_features=32, n_components=64, n_active=4, random_state=0)
X, HELD_OUT = DATA.X[:6000], DATA.X[6000:]
KINDS = {
    "relu": {"alpha": 0.3},
    "tied relu": {"alpha": 0.3, "tied_weights": True},
    "topk": {"activation": "topk", "target_l0": 4},
    "batch_topk": {"activation": "batch_topk", "target_l0": 4.5},
    "signed": {"activation": SignedTopK(4)},
}


def new(kind, **params):
    settings = {"max_iter": 2, "random_state": 0, "tied_weights": False} | KINDS[kind] | params
    return SparseDictionaryAutoencoder(64, **settings)


@pytest.fixture(scope="module")
def fitted():
    return {kind: new(kind).fit(X) for kind in KINDS}


def squared_error(sae, rows):
    return np.square(rows - sae.inverse_transform(sae.transform(rows)), dtype=np.float64).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_debias_to_the_bit(fitted, kind):
    refitted = deepcopy(fitted[kind])
    assert refitted.refit_codes(X) is refitted
    debiased = new(kind, debias=True).fit(X)
    of_fit, of_refit = ({k for k in vars(sae) if k.endswith("_")} for sae in (debiased, refitted))
    assert of_fit == of_refit
    for name in ("components_", "code_gains_", "encoder_", "encoder_bias_"):
        np.testing.assert_array_equal(getattr(refitted, name), getattr(debiased, name))
    assert (refitted.transform(X) != debiased.transform(X)).nnz == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("needed", [0, np.inf], ids=["dense", "iterative"])
def test_the_error_on_its_rows_falls_and_supports_stay(fitted, kind, needed, monkeypatch):
    monkeypatch.setattr(_debias_dense, "needed_bytes", lambda n_components: needed)
    sae = deepcopy(fitted[kind])
    before = [squared_error(sae, part) for part in (X, HELD_OUT)]
    supports = sae.transform(HELD_OUT)
    errors = []
    for _ in range(3):
        errors.append(squared_error(sae.refit_codes(X), X))
        codes = sae.transform(HELD_OUT)
        np.testing.assert_array_equal(codes.indptr, supports.indptr)
        np.testing.assert_array_equal(codes.indices, supports.indices)
        assert (np.sign(codes.data) == np.sign(supports.data)).all()
    assert errors[0] < before[0]
    # To rounding: twice is no worse than once.
    assert errors[1] <= errors[0] * 1.0001
    assert errors[2] <= errors[1] * 1.0001
    assert squared_error(sae, HELD_OUT) < before[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_no_dictionary_gets_worse(fitted, kind, seed):
    """Whatever gains, offsets and directions it had."""
    rng = np.random.default_rng(seed)
    sae = deepcopy(fitted[kind])
    signed = kind == "signed"
    sae.components_ += 0.3 * rng.standard_normal(sae.components_.shape).astype(np.float32)
    sae.components_ /= np.linalg.norm(sae.components_, axis=1, keepdims=True)
    sae.code_gains_ = rng.uniform(0.1, 4, 64).astype(np.float32)
    sae.code_offsets_ = np.zeros(64, np.float32)
    if not signed:
        sae.code_offsets_ += rng.uniform(0, 2, 64).astype(np.float32)
    rows = X[seed::7][: 20 * 8**seed]
    before = squared_error(sae, rows)
    sae.refit_codes(rows)
    assert squared_error(sae, rows) < before
    assert (sae.code_gains_ > 0).all()
    assert hasattr(sae, "code_offsets_") != signed


@pytest.mark.parametrize("kind", KINDS)
def test_a_second_refit_is_a_fresh_one(fitted, kind, monkeypatch):
    """Gains and offsets are those for the same directions without any; the ridge apart."""
    monkeypatch.setattr(_least_squares, "PRIOR_ROWS", 1e-3)
    twice = deepcopy(fitted[kind]).refit_codes(X)
    fresh = deepcopy(twice)
    for name in ("code_gains_", "code_offsets_"):
        vars(fresh).pop(name, None)
    for sae in (twice, fresh):
        sae.refit_codes(X)
    often = fitted[kind].transform(X).count_nonzero(axis=0) > 100
    assert often.sum() > 30
    assert np.ptp(twice.code_gains_[often]) > 0.2
    for name in ("code_gains_", "code_offsets_", "components_")[:: 2 if kind == "signed" else 1]:
        one, other = getattr(twice, name)[often], getattr(fresh, name)[often]
        np.testing.assert_allclose(one, other, atol=0.01)


def test_after_blocks_and_after_loading(tmp_path):
    sae = new("relu", max_iter=1)
    for block in np.split(X, 3):
        sae.partial_fit(block)
    save_dictionary(sae, tmp_path / "sae")
    loaded = load_dictionary(tmp_path / "sae")
    plain = sae.score(HELD_OUT)
    for each in (sae, loaded):
        each.refit_codes(X)
        assert each.score(HELD_OUT) > plain
    np.testing.assert_array_equal(loaded.components_, sae.components_)
    with pytest.raises(ValueError, match="refit_codes"):
        sae.partial_fit(X)


def test_rows_of_another_dtype(fitted):
    sae = deepcopy(fitted["relu"]).refit_codes(X.astype(np.float64))
    assert sae.components_.dtype == sae.code_gains_.dtype == np.float32
    again = deepcopy(fitted["relu"]).refit_codes(X)
    np.testing.assert_array_equal(sae.code_gains_, again.code_gains_)
    wide = new("relu").fit(X.astype(np.float64)).refit_codes(X)
    assert wide.code_gains_.dtype == np.float64


def test_what_is_refused_leaves_the_dictionary_as_it_was(fitted):
    with pytest.raises(NotFittedError):
        new("relu").refit_codes(X)
    sae = deepcopy(fitted["relu"])
    with pytest.raises(ValueError, match="33 features"):
        sae.refit_codes(np.ones((5, 33)))
    spoiled = X.copy()
    spoiled[4321, 5] = np.nan
    with pytest.raises(ValueError, match="NaN: first at row 4321, column 5"):
        sae.refit_codes(spoiled)
    assert not hasattr(sae, "code_gains_")
    np.testing.assert_array_equal(sae.components_, fitted["relu"].components_)
