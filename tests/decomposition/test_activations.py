"""Dictionaries of every activation keep their promises on rows."""

import math
import sys
from copy import deepcopy
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from skdict import SparseDictionaryAutoencoder
from skdict._core import L1
from skdict._core._backends import Dense
from skdict._core._model import Model
from skdict._core._objectives import whole
from skdict._core._products import multiplier
from skdict._core._step import take_step
from skdict.datasets import make_sparse_features
from skdict.decomposition import to_torch
from skdict.exceptions import OutlierWarning
from tests.signed_topk import SignedTopK

sys.path.insert(0, str(Path(__file__).parents[1] / "_core"))
from reference_step import Adam, assert_gradients, autograd, make_rows, make_tensors, make_weights

DATA = make_sparse_features(26_000, n_features=32, n_components=64, n_active=4, random_state=0)
ROWS, OTHERS = DATA.X[:24_000], DATA.X[24_000:]
SELECTING = {
    "topk": {"activation": "topk", "target_l0": 4},
    "batch_topk": {"activation": "batch_topk", "target_l0": 4.5},
    "signed": {"activation": SignedTopK(4)},
    "jumprelu": {"activation": "jumprelu", "target_l0": 4.5},
}


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def tied(request):
    return request.param


def new(kind, tied=False, **params):
    settings = {"max_iter": 3, "random_state": 0, "tied_weights": tied} | SELECTING[kind] | params
    return SparseDictionaryAutoencoder(96, **settings)


@pytest.fixture(scope="module")
def fitted(tied):
    return {kind: new(kind, tied).fit(ROWS) for kind in SELECTING}


@pytest.mark.parametrize("kind", ["topk", "signed"])
def test_no_row_has_more_than_k_codes(fitted, kind):
    counts = np.diff(fitted[kind].transform(OTHERS).indptr)
    assert counts.max() == fitted[kind].k_ == 4


def test_codes_are_the_largest_of_a_plain_loop(fitted):
    sae = fitted["topk"]
    pre = (OTHERS[:200] - sae.mean_) @ sae.encoder_.T + sae.encoder_bias_
    codes = sae.transform(OTHERS[:200]).toarray()
    for row, code in zip(pre, codes, strict=True):
        largest = [j for j in np.argsort(-row)[:4] if row[j] > 0]
        assert sorted(largest) == np.flatnonzero(code).tolist()
        np.testing.assert_allclose(code[largest], row[largest], rtol=1e-4, atol=1e-6)


def test_the_threshold_reaches_the_target_on_rows_held_out(fitted):
    sae = fitted["batch_topk"]
    held_out = ROWS[-1200:]
    assert sae.transform(held_out).nnz == math.floor(4.5 * len(held_out))
    assert sae.transform(OTHERS).nnz / len(OTHERS) == pytest.approx(4.5, rel=0.05)
    assert np.ptp(sae.thresholds_) == 0 < sae.thresholds_[0]


def test_jumprelu_reaches_its_target_on_rows_held_out(fitted):
    sae = fitted["jumprelu"]
    assert sae.transform(OTHERS).nnz / len(OTHERS) == pytest.approx(4.5, rel=0.05)
    assert np.ptp(sae.thresholds_) > 0
    assert (sae.thresholds_ >= 0).all()
    assert (sae.bandwidths_ > 0).all()


def test_jumprelu_says_that_it_missed_its_target():
    sae = new("jumprelu", target_l0=60, max_iter=1)
    with pytest.warns(ConvergenceWarning, match="target_l0=60 was not reached.*raise max_iter"):
        sae.fit(ROWS[:2000])


def test_jumprelu_without_a_target_has_fewer_codes_the_larger_alpha_is():
    l0 = [
        new("jumprelu", target_l0=None, alpha=alpha).fit(ROWS).history_[-1]["l0"]
        for alpha in (1e-3, 1e-2, 1e-1)
    ]
    assert l0[0] > 1.5 * l0[1] > 2 * l0[2]


def quiet_start(kind):
    """Return a dictionary of which every other feature is positive but hardly ever large."""
    start = new(kind, max_iter=1).fit(ROWS)
    start.encoder_[::2] *= 0.05
    start.encoder_bias_[::2] = 0
    return start


@pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning",
    "ignore::skdict.exceptions.DeadFeaturesWarning",
)
@pytest.mark.parametrize("kind", ["batch_topk", "jumprelu"])
def test_auxk_revives_dead_features(kind):
    start, dead, fvu = quiet_start(kind), {}, {}
    for way in ("ignore", "auxk"):
        sae = new(kind, dict_init=start, dead_features=way, max_iter=5).fit(ROWS)
        dead[way] = (sae.firing_counts_[::2] == 0).sum()
        fvu[way] = 1 - sae.score(OTHERS)
    assert dead["auxk"] < 0.3 * dead["ignore"]
    assert fvu["auxk"] < fvu["ignore"]


def test_auxk_counts_a_block_as_an_epoch():
    start, dead = quiet_start("batch_topk"), {}
    for way in ("ignore", "auxk"):
        sae = new("batch_topk", dict_init=start, dead_features=way)
        for block in np.split(np.tile(ROWS, (4, 1)), 12):
            sae.partial_fit(block)
        dead[way] = (sae.firing_counts_[::2] == 0).sum()
    assert dead["auxk"] < 0.5 * dead["ignore"]


def test_fvu_by_threshold_is_that_of_selecting_from_the_batch(fitted):
    sae = fitted["batch_topk"]
    pre = (OTHERS - sae.mean_) @ sae.encoder_.T + sae.encoder_bias_
    least = np.sort(pre.ravel())[-math.floor(4.5 * len(OTHERS))]
    selected = np.where(pre >= least, pre, 0)
    variance = np.square(OTHERS - OTHERS.mean(0)).sum()
    by_batch = np.square(OTHERS - sae.mean_ - selected @ sae.components_).sum() / variance
    assert 1 - sae.score(OTHERS) == pytest.approx(by_batch, rel=0.02)


@pytest.mark.parametrize("kind", SELECTING)
def test_codes_do_not_depend_on_their_batch(fitted, kind):
    sae = fitted[kind]
    whole_batch = sae.transform(OTHERS[:300])
    for part in (slice(0, 1), slice(7, 60), slice(299, 300)):
        alone = sae.transform(OTHERS[part])
        assert (alone != whole_batch[part]).nnz == 0


@pytest.mark.parametrize("kind", SELECTING)
def test_tensors_encode_alike(fitted, kind):
    sae = fitted[kind]
    codes = to_torch(sae, device="cpu").encode(torch.from_numpy(OTHERS[:100])[None])[0].numpy()
    np.testing.assert_allclose(codes, sae.transform(OTHERS[:100]).toarray(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", SELECTING)
def test_they_pickle_and_clone(fitted, kind, tmp_path):
    joblib.dump(fitted["topk"], tmp_path / "sae")
    again = joblib.load(tmp_path / "sae")
    assert (again.transform(OTHERS) != fitted["topk"].transform(OTHERS)).nnz == 0
    refitted = clone(fitted[kind]).set_params(max_iter=1).fit(ROWS[:500])
    assert refitted.alpha_ == 0 == refitted.history_[-1]["alpha"]


@pytest.mark.parametrize("kind", ["topk", "batch_topk", "jumprelu"])
def test_refitted_magnitudes_lower_the_error_at_the_same_supports(kind):
    plain, refitted = (new(kind, debias=debias).fit(ROWS) for debias in (False, True))
    codes, others = plain.transform(ROWS[:500]), refitted.transform(ROWS[:500])
    assert (codes != 0).nnz == ((codes != 0) + (others != 0)).nnz == others.nnz
    assert refitted.score(ROWS) > plain.score(ROWS)


@pytest.mark.parametrize("kind", SELECTING)
def test_blocks_continue_one_another(kind):
    sae = new(kind)
    scores = []
    for _ in range(3):
        for block in np.split(ROWS, 3):
            sae.partial_fit(block)
        scores.append(sae.score(OTHERS))
    assert scores == sorted(scores)
    if kind == "batch_topk":
        # After each block from its own rows.
        assert sae.transform(ROWS[-8000:]).nnz == pytest.approx(4.5 * 8000, abs=1)


@pytest.mark.parametrize("kind", SELECTING)
def test_a_warm_start_begins_where_the_fit_ended(fitted, kind, tied):
    sae = fitted[kind]
    again = clone(sae).set_params(warm_start=True, max_iter=1, learning_rate=1e-9)
    vars(again).update({k: v for k, v in vars(sae).items() if k.endswith("_") or k[0] == "_"})
    again.fit(ROWS)
    np.testing.assert_allclose(again.components_, sae.components_, atol=1e-5)
    assert again.score(OTHERS) == pytest.approx(sae.score(OTHERS), abs=1e-3)
    started = new(kind, tied, dict_init=sae, max_iter=1, learning_rate=1e-9).fit(ROWS)
    np.testing.assert_allclose(started.components_, again.components_, atol=1e-6)


def test_a_start_folds_gains():
    relu = SparseDictionaryAutoencoder(96, alpha=0.3, max_iter=2, random_state=0).fit(ROWS)
    scaled = clone(relu)
    vars(scaled).update(vars(relu))
    scaled.code_gains_ = np.linspace(0.5, 2, 96, dtype=np.float32)
    # With an alpha of zero and no rate, what is fitted is what was started from.
    still = {"alpha": 0, "learning_rate": 1e-9, "max_iter": 1, "tied_weights": False}
    started = SparseDictionaryAutoencoder(dict_init=scaled, **still).fit(ROWS)
    np.testing.assert_allclose(
        started.transform(OTHERS).toarray(), scaled.transform(OTHERS).toarray(), atol=1e-4
    )
    for sae in (SparseDictionaryAutoencoder(dict_init=scaled), new("topk", True, dict_init=scaled)):
        with pytest.raises(ValueError, match="pass tied_weights=False"):
            sae.fit(ROWS)


def test_a_start_folds_gains_into_thresholds(fitted):
    jumping = deepcopy(fitted["jumprelu"])
    jumping.code_gains_ = np.linspace(0.5, 2, 96, dtype=np.float32)
    still = {"learning_rate": 1e-9, "max_iter": 1, "tied_weights": False, "target_l0": 4.5}
    started = SparseDictionaryAutoencoder(activation="jumprelu", dict_init=jumping, **still)
    codes = started.fit(ROWS).transform(OTHERS)
    expected = jumping.transform(OTHERS)
    # Entries within rounding of a threshold may fall on either side.
    assert ((codes != 0) != (expected != 0)).nnz < 1e-3 * expected.nnz
    assert np.abs((codes - expected).data).mean() < 1e-3


@pytest.mark.parametrize("later", ["batch_topk", "topk"])
def test_blocks_of_another_activation_leave_nothing_of_the_first(later):
    first = {"topk": "batch_topk", "batch_topk": "topk"}[later]
    sae = new(first).partial_fit(ROWS[:4000])
    sae.set_params(**SELECTING[later]).partial_fit(ROWS[4000:8000])
    counts = np.diff(sae.transform(ROWS[4000:8000]).indptr)
    if later == "topk":
        assert not hasattr(sae, "thresholds_")
        assert counts.max() == 4
    else:
        assert not hasattr(sae, "k_")
        assert counts.sum() == math.floor(4.5 * 4000)


def test_a_start_from_directions():
    directions = 3 * DATA.components
    sae = SparseDictionaryAutoencoder(dict_init=directions, max_iter=1, learning_rate=1e-9)
    sae.fit(ROWS)
    np.testing.assert_allclose(sae.components_, DATA.components, atol=1e-5)
    assert clone(sae).dict_init is not None


def test_a_clone_keeps_the_start_fitted(fitted):
    sae = new("topk", dict_init=fitted["topk"])
    assert clone(sae).dict_init is fitted["topk"]


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"activation": "gelu"}, ValueError, "'relu', 'topk', 'batch_topk', 'jumprelu'"),
        ({"activation": 3}, TypeError, "Nonlinearity"),
        ({"activation": torch.relu}, TypeError, "Nonlinearity"),
        ({"activation": SignedTopK}, TypeError, "Nonlinearity"),
        ({"activation": "topk", "target_l0": 2.5}, TypeError, "batch_topk"),
        ({"activation": "topk", "target_l0": 0}, ValueError, "target_l0=0"),
        ({"activation": "batch_topk", "target_l0": 0}, ValueError, "target_l0=0"),
        (
            {"activation": "batch_topk", "target_l0": 1e-3},
            ValueError,
            "selects no code from a batch",
        ),
        ({"activation": "topk", "target_l0": 97}, ValueError, "more than the 96 features"),
        ({"activation": SignedTopK(3), "target_l0": 3}, ValueError, "sets its own sparsity"),
        ({"dead_features": "auxk"}, ValueError, "pass dead_features='resample'"),
        ({"dead_features": "revive"}, ValueError, "'ignore', 'resample', 'auxk'"),
        ({"dict_init": "pca"}, TypeError, "array of shape"),
        ({"dict_init": np.ones((96, 5))}, ValueError, "96 directions of width 32"),
        ({"dict_init": np.zeros((96, 32))}, ValueError, "finite and not zero"),
        ({"dict_init": PCA().fit(ROWS)}, TypeError, "dictionary_atoms"),
        ({"dict_init": SparseDictionaryAutoencoder()}, NotFittedError, "not fitted"),
    ],
)
def test_what_is_refused(params, error, message):
    with pytest.raises(error, match=message):
        SparseDictionaryAutoencoder(96, **params).fit(ROWS[:300])


@pytest.mark.parametrize(
    ("start", "params", "message"),
    [
        ("topk", {"activation": "relu"}, "selection of the k largest"),
        ("batch_topk", {"activation": "relu"}, "thresholds"),
        ("signed", {"activation": "topk"}, "both signs"),
        ("topk", {"activation": "jumprelu"}, "selection of the k largest"),
        ("jumprelu", {"activation": "batch_topk"}, "differ between features"),
        ("topk", {"activation": "topk", "n_components": 5}, "n_components and the width"),
    ],
)
def test_starts_that_do_not_fit_the_activation_are_refused(start, params, message):
    sae = new(start, max_iter=1).fit(ROWS[:500])
    with pytest.raises(ValueError, match=message):
        SparseDictionaryAutoencoder(dict_init=sae, tied_weights=False).set_params(**params).fit(
            ROWS[:500]
        )


@pytest.mark.parametrize("kind", SELECTING)
def test_training_that_diverges_says_so(kind, monkeypatch):
    # The highest rate that is accepted does not diverge here.
    monkeypatch.setattr("skdict.decomposition._autoencoder_params.HIGHEST_LEARNING_RATE", 1e31)
    # Enough features that steps search for entries.
    params = {"learning_rate": 1e30, "max_iter": 1, "dead_features": "ignore"}
    wide = new(kind, **params).set_params(n_components=1024)
    with pytest.raises(ValueError, match="training diverged"):
        wide.fit(ROWS[:4000])


def test_defaults_of_target_l0():
    assert SparseDictionaryAutoencoder(200, activation="topk", max_iter=1).fit(ROWS[:200]).k_ == 32
    assert SparseDictionaryAutoencoder(20, activation="topk", max_iter=1).fit(ROWS[:200]).k_ == 5
    assert SparseDictionaryAutoencoder(2, activation="topk", max_iter=1).fit(ROWS[:200]).k_ == 1


@pytest.mark.parametrize("tied_weights", [True, False])
def test_the_documented_activation_has_the_gradient_of_autograd(tied_weights):
    x, weights = make_rows(60, 8), make_weights(60)
    tensors = make_tensors(40, 8, tied_weights, 0.0)

    def signed(pre):
        kept = pre.abs() >= pre.abs().sort(dim=1, descending=True).values[:, 4:5]
        return pre * kept

    _, gradients, codes = autograd(x, tensors, 0.0, weights, activation=signed)
    adam = Adam(tensors)
    backend = Dense(multiplier(x.dtype, x.dtype, x.device), 60)
    model = Model(tensors, SignedTopK(5), L1(0.0), whole(40))
    sums = take_step(backend, model, adam, x, weights, 60, 0.0)
    assert sums.n_fired.tolist() == (codes != 0).sum(0).tolist()
    assert (codes < 0).any()
    assert_gradients(adam, gradients)


def test_outlier_rows_take_no_part_in_selection_or_threshold():
    rows = ROWS[:4000].copy()
    rows[:40] *= 100
    with pytest.warns(OutlierWarning):
        sae = new("batch_topk").fit(rows)
    beyond = np.linalg.norm(rows - sae.mean_, axis=1) > sae.outlier_cutoff_
    assert beyond.sum() == sae.n_outlier_rows_ > 30
    counts = np.diff(sae.transform(rows).indptr)
    assert counts[~beyond].sum() == math.floor(4.5 * (~beyond).sum())
    # They are encoded like others, by the same threshold.
    assert counts[beyond].mean() > 20
