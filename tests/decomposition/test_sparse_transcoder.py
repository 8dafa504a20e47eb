"""Transcoders predict other rows than they read, and are dictionaries in every other way."""

import pickle
from functools import partial

import joblib
import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdict import (
    Activations,
    SparseDictionaryAutoencoder,
    SparseTranscoder,
    compare_dictionaries,
)
from skdict._core import AffineDictionary, AffineTranscoder, iter_blocks
from skdict._store import ShardedRows
from skdict.decomposition import (
    IdentityDictionary,
    TopKDictionary,
    check_is_dictionary,
    check_reconstructs_rows,
    dictionary_atoms,
    dictionary_offset,
    is_transcoder,
    to_torch,
)
from skdict.exceptions import OutlierWarning
from skdict.metrics import DictionaryScorer
from tests.decomposition.planted_transcoder import plant, recovered, skip_error
from tests.signed_topk import SignedTopK

KINDS = {
    "relu": {"alpha": 0.05},
    "resampled": {"alpha": 0.05, "dead_features": "resample"},
    "skip": {"alpha": 0.05, "skip_connection": True},
    "topk": {"activation": "topk", "target_l0": 3, "skip_connection": True},
    "batch_topk": {"activation": "batch_topk", "target_l0": 2.5},
    "jumprelu": {"activation": "jumprelu", "alpha": 0.01, "skip_connection": True},
    "signed": {"activation": SignedTopK(3), "bias_init": "zeros"},
    "matryoshka": {"activation": "topk", "target_l0": 3, "matryoshka": [0.25]},
    "uncentred": {"alpha": 0.05, "center": False, "skip_connection": True},
    "unscaled": {"alpha": 0.05, "rescale": False, "skip_connection": True},
}
# Dead features are the rule in fits that are this short.
pytestmark = pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning")
every_kind = pytest.mark.parametrize("kind", KINDS)


def new(kind="relu", **options):
    options = {"max_iter": 2, "batch_size": 64, "random_state": 0, "device": "cpu"} | options
    return SparseTranscoder(16, **KINDS[kind] | options)


def pairs(n=500, dtype=np.float32):
    """Return rows around a mean and of another scale than their targets."""
    planted = plant(n, 12, 6, 4, 3, gain=1, dtype=dtype)
    return 10 * planted.X + 3, 0.1 * planted.Y - 1


@pytest.fixture(scope="module")
def fitted():
    """Return a function from a kind to its transcoder, fitted once."""
    made = {}

    def of(kind):
        if kind not in made:
            made[kind] = new(kind).fit(*pairs())
        return made[kind]

    return of


def dense(codes):
    return codes.toarray() if scipy.sparse.issparse(codes) else codes


def with_tokens(rows, **changes):
    n = len(rows)
    columns = {"documents": np.arange(n) // 10, "positions": np.arange(n) % 10}
    columns |= {"token_ids": np.arange(n) % 7} | changes
    return Activations(rows, **columns)


def test_planted_features_and_the_linear_part_are_found():
    planted = plant(12_000, 24, 24, 20, 1)
    transcoder = SparseTranscoder(
        36,
        skip_connection=True,
        alpha=0.01,
        learning_rate=0.01,
        batch_size=1000,
        max_iter=15,
        random_state=0,
    ).fit(planted.X, planted.Y)
    assert recovered(transcoder, planted) >= 0.95
    assert skip_error(transcoder, planted) < 0.03


@pytest.mark.slow
def test_512_planted_features_and_the_linear_part_are_found():
    planted = plant(100_000, 512, 128, 96, 8)
    transcoder = SparseTranscoder(
        768, skip_connection=True, alpha=0.005, max_iter=20, random_state=0
    ).fit(planted.X, planted.Y)
    assert recovered(transcoder, planted) >= 0.95
    assert skip_error(transcoder, planted) < 0.02


def test_without_a_skip_connection_features_are_found_as_well():
    planted = plant(12_000, 24, 24, 20, 1, skip=False)
    transcoder = SparseTranscoder(
        36, alpha=0.01, learning_rate=0.01, batch_size=1000, max_iter=8, random_state=0
    ).fit(planted.X, planted.Y)
    assert recovered(transcoder, planted) >= 0.95
    assert not hasattr(transcoder, "skip_")


@every_kind
def test_codes_and_predictions_follow_from_the_attributes(kind, fitted):
    transcoder, (X, Y) = fitted(kind), pairs()
    codes = transcoder.transform(X)
    assert codes.shape == (500, 16)
    assert codes.dtype == np.float32
    pre = (X - transcoder.mean_) @ transcoder.encoder_.T + transcoder.encoder_bias_
    fired = dense(codes) != 0
    np.testing.assert_allclose(dense(codes)[fired], pre[fired], rtol=1e-3, atol=1e-4)
    if not hasattr(transcoder, "k_"):
        expected = pre > getattr(transcoder, "thresholds_", 0)
        assert (fired != expected).mean() < 1e-3
    decoded = transcoder.inverse_transform(codes)
    expected = transcoder.target_mean_ + dense(codes) @ transcoder.components_
    np.testing.assert_allclose(decoded, expected, atol=1e-4)
    if hasattr(transcoder, "skip_"):
        expected = expected + (X - transcoder.mean_) @ transcoder.skip_
    predicted = transcoder.predict(X)
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, expected, atol=1e-4)
    score = r2_score(Y, predicted, multioutput="variance_weighted")
    assert transcoder.score(X, Y) == pytest.approx(score, abs=1e-5)
    # Neither reaches the mean of the targets or the scale of the rows in so few steps.
    assert score > 0.2 or kind in ("uncentred", "unscaled")
    np.testing.assert_allclose(np.linalg.norm(transcoder.components_, axis=1), 1, atol=1e-5)


@pytest.mark.usefixtures("short_epochs")
def test_the_history_has_the_fvu_of_the_targets():
    X, Y = pairs(512)
    # A rate so small that no weight moves: every entry is the FVU of the start.
    transcoder = new("skip", learning_rate=1e-30, max_iter=1).fit(X, Y)
    fvu = 1 - transcoder.score(X, Y)
    for entry in transcoder.history_:
        assert entry["fvu"] == pytest.approx(fvu, rel=0.3)
    mean = np.mean([entry["fvu"] for entry in transcoder.history_])
    assert mean == pytest.approx(fvu, rel=1e-3)


@pytest.mark.usefixtures("short_epochs")
@pytest.mark.parametrize("kind", ["relu", "topk", "batch_topk", "jumprelu"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_toward_its_own_rows_it_is_the_autoencoder(kind, dtype):
    X, options = pairs(dtype=dtype)[0], KINDS[kind] | {"skip_connection": False}
    plain = {name: v for name, v in options.items() if name != "skip_connection"}
    start = new("relu", max_iter=1, **options).fit(X, X)
    shared = {"max_iter": 3, "batch_size": 64, "random_state": 1, "warm_start": True}
    autoencoder = SparseDictionaryAutoencoder(16, tied_weights=False, **plain, **shared)
    vars(autoencoder).update({k: v for k, v in vars(start).items() if k.endswith("_")})
    del autoencoder.target_mean_, autoencoder.target_scale_
    autoencoder.fit(X)
    transcoder = start.set_params(**shared).fit(X, X)
    for name in ("components_", "encoder_", "encoder_bias_", "mean_", "thresholds_"):
        if hasattr(autoencoder, name):
            np.testing.assert_array_equal(getattr(transcoder, name), getattr(autoencoder, name))
    assert transcoder.history_ == autoencoder.history_
    assert (transcoder.transform(X) != autoencoder.transform(X)).nnz == 0
    assert transcoder.score(X, X) == pytest.approx(autoencoder.score(X))


@every_kind
@pytest.mark.usefixtures("short_epochs")
def test_the_same_seed_gives_the_same_bits(kind):
    X, Y = pairs()
    one, other, third = (clone(new(kind, random_state=s)).fit(X, Y) for s in (0, 0, 1))
    for name, value in vars(one).items():
        if name.endswith("_"):
            np.testing.assert_array_equal(getattr(other, name), value, err_msg=name)
    assert (one.components_ != third.components_).any()


def test_units_of_either_side_do_not_change_what_is_learned():
    # Powers of two change no bit of the scaled rows.
    X, Y = pairs()
    one, other = new("skip").fit(X, Y), new("skip").fit(64 * X, Y / 16)
    np.testing.assert_array_equal(other.components_, one.components_)
    np.testing.assert_array_equal(1024 * other.skip_, one.skip_)
    np.testing.assert_array_equal(16 * other.predict(64 * X), one.predict(X))
    assert 16 * other.target_scale_ == one.target_scale_
    assert other.scale_ == 64 * one.scale_


# The contract that tests/test_dictionary_contract.py holds dictionaries of rows to.


@every_kind
def test_it_is_a_dictionary(kind, fitted):
    transcoder, (X, _) = fitted(kind), pairs()
    assert check_is_dictionary(transcoder) is transcoder
    np.testing.assert_allclose(dictionary_atoms(transcoder), transcoder.components_, atol=1e-6)
    np.testing.assert_allclose(dictionary_offset(transcoder), transcoder.target_mean_, atol=1e-6)
    names = transcoder.get_feature_names_out()
    assert len(set(names)) == 16
    with pytest.raises(ValueError, match="6 features"):
        transcoder.predict(X[:, :4])


@every_kind
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_tensors_equal_arrays(kind, dtype, fitted):
    transcoder, X = fitted(kind), pairs()[0].astype(dtype)
    tensors = to_torch(transcoder, device="cpu", dtype=dtype)
    assert isinstance(tensors, AffineTranscoder)
    assert not isinstance(tensors, AffineDictionary)
    x = torch.from_numpy(X)
    codes = tensors.encode(x)
    np.testing.assert_allclose(codes.numpy(), dense(transcoder.transform(X)), atol=2e-4)
    np.testing.assert_allclose(tensors.predict(x).numpy(), transcoder.predict(X), atol=2e-4)
    decoded = transcoder.inverse_transform(transcoder.transform(X))
    np.testing.assert_allclose(tensors.decode(codes).numpy(), decoded, atol=2e-4)
    stacked = tensors.to(torch.float64).predict(x[:12].double().reshape(3, 4, 6))
    torch.testing.assert_close(
        stacked.reshape(12, 4), tensors.predict(x[:12]).double(), atol=1e-4, rtol=1e-4
    )


@every_kind
def test_copies_are_bit_equal(kind, fitted, tmp_path):
    transcoder, (X, _) = fitted(kind), pairs()
    joblib.dump(transcoder, tmp_path / "transcoder.joblib")
    for copied in (
        pickle.loads(pickle.dumps(transcoder)),
        joblib.load(tmp_path / "transcoder.joblib", mmap_mode="r"),
    ):
        np.testing.assert_array_equal(dense(copied.transform(X)), dense(transcoder.transform(X)))
        np.testing.assert_array_equal(copied.predict(X), transcoder.predict(X))


@every_kind
def test_rows_do_not_depend_on_their_batch(kind, fitted):
    transcoder, (X, _) = fitted(kind), pairs()
    parts = [X[i : i + 1] for i in range(0, 500, 100)]
    alone = np.vstack([dense(transcoder.transform(part)) for part in parts])
    np.testing.assert_array_equal(alone, dense(transcoder.transform(X))[::100])
    alone = np.vstack([transcoder.predict(part) for part in parts])
    np.testing.assert_allclose(alone, transcoder.predict(X)[::100], atol=2e-6)


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        torch.from_numpy,
        lambda rows: torch.from_numpy(rows).requires_grad_(),
        with_tokens,
        lambda rows: rows.tolist(),
    ],
    ids=["fortran", "tensor", "gradient", "activations", "list"],
)
@pytest.mark.usefixtures("short_epochs")
def test_rows_and_targets_of_every_kind(change):
    X, Y = pairs()
    expected = new("skip").fit(X, Y)
    got = new("skip").fit(change(X.copy()), change(Y.copy()))
    np.testing.assert_array_equal(got.components_, expected.components_)
    assert got.score(change(X), change(Y)) == pytest.approx(expected.score(X, Y), abs=1e-6)


def test_float64_is_honest():
    (X, Y), (double, _) = pairs(dtype=np.float64), pairs()
    transcoder = new("skip").fit(X, Y.astype(np.float32))
    assert transcoder.components_.dtype == transcoder.predict(X).dtype == np.float64
    assert transcoder.predict(double).dtype == np.float32
    # Rows decide: targets are converted to their dtype.
    assert new("skip").fit(double, Y).components_.dtype == np.float32


@pytest.mark.usefixtures("short_epochs")
def test_a_single_target_may_be_one_dimensional():
    X, Y = pairs()
    flat, column = new("skip").fit(X, Y[:, 0]), new("skip").fit(X, Y[:, :1])
    assert flat.components_.shape == (16, 1)
    np.testing.assert_array_equal(flat.skip_, column.skip_)
    assert flat.predict(X).shape == column.predict(X).shape == (500,)
    assert flat.score(X, Y[:, 0]) == column.score(X, Y[:, :1]) > 0


# Two stores, read in step.


@pytest.fixture
def stores(tmp_path):
    """Rows and targets of 3,000 tokens in two stores."""
    X, Y = pairs(3000)
    folders = tmp_path / "in", tmp_path / "out"
    for rows, folder in zip((X, Y), folders, strict=True):
        with_tokens(rows.astype(np.float16)).save(folder)
    return tuple(map(Activations.load, folders))


@pytest.mark.usefixtures("short_epochs")
def test_stores_are_read_in_slices_and_in_step(stores, monkeypatch):
    most = []

    def whole(self, *args, **kwargs):
        raise AssertionError("a store was loaded whole")

    plain = ShardedRows.__getitem__

    def sliced(self, key):
        rows = plain(self, key)
        most.append(len(rows))
        return rows

    arrays = [np.asarray(store).astype(np.float32) for store in stores]
    monkeypatch.setattr("skdict._core._batches.BLOCK_BYTES", 20_000)
    for module in ("_core._outliers", "decomposition._scaled_rows"):
        monkeypatch.setattr(f"skdict.{module}.SAMPLE_ROWS", 300)
    expected = new("batch_topk").fit(*arrays)
    monkeypatch.setattr(ShardedRows, "__array__", whole)
    monkeypatch.setattr(ShardedRows, "__getitem__", sliced)
    monkeypatch.setattr(
        "skdict.decomposition._measured_rows.iter_blocks",
        partial(iter_blocks, block_bytes=300 * 8 * stores[0].shape[1]),
    )
    got = new("batch_topk").fit(*stores)
    assert sum(most) > 20_000
    assert max(most) <= 300
    np.testing.assert_array_equal(got.components_, expected.components_)
    np.testing.assert_array_equal(got.thresholds_, expected.thresholds_)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"documents": np.arange(3000) // 20}, "documents at 2990 of 3000 rows, first at row 10"),
        ({"positions": np.arange(3000) % 10 + 1}, "positions at 3000 of 3000 rows"),
        (
            {"token_ids": np.r_[np.arange(2999) % 7, 6]},
            "token_ids at 1 of 3000 rows, .*2999: 3 in X",
        ),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "score"])
def test_targets_of_other_tokens_are_refused(stores, change, message, method, fitted):
    X, Y = stores
    if "documents" in change:
        change = change | {"positions": np.arange(3000) % 20}
        X = with_tokens(np.asarray(X), positions=np.arange(3000) % 10)
    other = with_tokens(np.asarray(Y), **change)
    transcoder = fitted("relu") if method == "score" else new()
    with pytest.raises(ValueError, match=message):
        getattr(transcoder, method)(X, other)
    with pytest.raises(ValueError, match="X has 3000 rows but y has 2999"):
        getattr(transcoder, method)(X, Y[:-1])


def test_the_same_rows_of_both_stores_in_any_order(stores):
    X, Y = stores
    rows = np.random.default_rng(0).permutation(3000)[:500]
    transcoder = new("skip").fit(X[rows], Y[rows])
    assert transcoder.score(X[rows], Y[rows]) > 0.3
    with pytest.raises(ValueError, match="differ in documents"):
        transcoder.score(X[rows], Y[np.sort(rows)])


@pytest.mark.usefixtures("short_epochs")
def test_a_search_with_documents_as_groups(stores):
    X, Y = stores[0][:600], stores[1][:600]
    grid = {"alpha": [10.0, 0.01], "skip_connection": [False]}
    search = GridSearchCV(new(max_iter=4), grid, cv=GroupKFold(2), error_score="raise")
    search.fit(X, Y, groups=X.documents)
    assert search.best_params_["alpha"] == 0.01
    train, test = next(GroupKFold(2).split(X, Y, X.documents))
    expected = new(max_iter=4, alpha=0.01).fit(X[train], Y[train]).score(X[test], Y[test])
    assert search.cv_results_["split0_test_score"][1] == pytest.approx(expected)
    assert search.score(X, Y) == search.best_estimator_.score(X, Y)
    assert search.predict(np.asarray(X)).shape == (600, 4)


def test_a_pipeline_scales_rows_and_predicts():
    X, Y = pairs()
    pipeline = make_pipeline(StandardScaler(), new("skip")).fit(X, Y)
    assert pipeline.score(X, Y) > 0.3
    assert pipeline.predict(X).shape == Y.shape


# Blocks, starts and dead features.


@every_kind
def test_blocks_continue_where_the_last_one_ended(kind):
    if kind == "resampled":
        pytest.skip("features are resampled between epochs, which partial_fit does not have")
    X, Y = pairs()
    transcoder = new(kind)
    for part in range(0, 500, 100):
        transcoder.partial_fit(X[part : part + 100], Y[part : part + 100])
    assert transcoder.n_iter_ == 5
    assert transcoder.n_steps_ == 10
    if transcoder.center:
        np.testing.assert_allclose(transcoder.mean_, X[:100].mean(0), rtol=1e-5)
    before = transcoder.score(X, Y)
    for _ in range(20):
        transcoder.partial_fit(X, Y)
    assert transcoder.score(X, Y) > before
    with pytest.raises(ValueError, match="y has 3 columns but SparseTranscoder predicts 4"):
        transcoder.partial_fit(X, Y[:, :3])


def test_blocks_keep_their_skip_connection():
    X, Y = pairs()
    transcoder = new("skip").partial_fit(X, Y).set_params(skip_connection=False)
    with pytest.raises(ValueError, match="has a skip connection; pass skip_connection=True"):
        transcoder.partial_fit(X, Y)
    transcoder = new().partial_fit(X, Y).set_params(skip_connection=True)
    with pytest.raises(ValueError, match="skip_connection=True or activation='relu' differs"):
        transcoder.partial_fit(X, Y)


def test_starts_from_a_fitted_transcoder():
    X, Y = pairs()
    first = new("topk").fit(X, Y)
    still = {"learning_rate": 1e-30, "max_iter": 1}
    again = new("topk", dict_init=first, **still).fit(X[:400], Y[:400])
    np.testing.assert_allclose(again.predict(X), first.predict(X), atol=0.02)
    np.testing.assert_allclose(again.skip_, first.skip_, rtol=1e-4)
    assert clone(again).dict_init is first
    without = new("relu").fit(X, Y)
    more = new("skip", dict_init=without, **still).fit(X, Y)
    np.testing.assert_allclose(more.skip_, 0, atol=1e-20)
    np.testing.assert_allclose(more.predict(X), without.predict(X), atol=1e-4)


def test_unsuitable_starts_are_refused():
    X, Y = pairs()
    autoencoder = SparseDictionaryAutoencoder(16, max_iter=1, tied_weights=False).fit(X)
    transcoder = new("skip").fit(X, X)
    with pytest.raises(TypeError, match="does not predict targets: pass a fitted SparseTranscoder"):
        new(dict_init=autoencoder).fit(X, X)
    with pytest.raises(TypeError, match="is a transcoder: pass a fitted SparseDictionaryAuto"):
        SparseDictionaryAutoencoder(16, dict_init=transcoder, tied_weights=False).fit(X)
    with pytest.raises(TypeError, match="pass a fitted SparseTranscoder, or None"):
        new(dict_init=np.eye(16, 6)).fit(X, Y)
    with pytest.raises(ValueError, match=r"components_ of shape \(16, 6\).*of the targets"):
        new("skip", dict_init=transcoder).fit(X, Y)
    with pytest.raises(ValueError, match=r"encoder_ of shape \(16, 6\).*of the rows require"):
        new("skip", dict_init=transcoder).fit(Y, X)
    with pytest.raises(ValueError, match="has a skip connection"):
        new(dict_init=transcoder).fit(X, X)


def test_a_row_is_an_outlier_if_it_or_its_target_is():
    X, Y = pairs(2000)
    plain = new("skip").fit(X, Y)
    X, Y = X.copy(), Y.copy()
    X[7] *= 1000
    Y[[7, 1200]] *= -3000
    with pytest.warns(OutlierWarning, match=r"2 of 2000 .* variance of X and y \(rows 7, 1200"):
        transcoder = new("skip").fit(X, Y)
    assert transcoder.n_outlier_rows_ == 2
    kept = np.delete(np.arange(2000), [7, 1200])
    np.testing.assert_allclose(transcoder.mean_, X[kept].mean(0), rtol=1e-5)
    np.testing.assert_allclose(transcoder.target_mean_, Y[kept].mean(0), rtol=1e-4)
    assert transcoder.target_scale_ == pytest.approx(plain.target_scale_, rel=0.01)
    assert transcoder.score(X[kept], Y[kept]) > plain.score(X[kept], Y[kept]) - 0.1
    entry = transcoder.history_[-1]
    assert entry["fvu_inliers"] < 0.8 < entry["fvu"]


def test_dead_features_start_again():
    X, Y = pairs()
    scores = {}
    for treatment in ("ignore", "resample"):
        transcoder = new("relu", alpha=0.01).fit(X, Y)
        transcoder.encoder_bias_[:8] = -1000
        transcoder.set_params(warm_start=True, dead_features=treatment, max_iter=4).fit(X, Y)
        assert (transcoder.firing_counts_[:8] > 0).all() == (treatment == "resample")
        scores[treatment] = transcoder.score(X, Y)
    assert transcoder.history_[-1]["n_resampled"] == 8
    assert scores["resample"] > scores["ignore"]


# Where the rows themselves are reconstructed.


@pytest.mark.parametrize("square", [True, False], ids=["equal widths", "other widths"])
def test_what_reconstructs_rows_refuses_a_transcoder(square):
    X, Y = pairs()
    transcoder = new().fit(X, X if square else Y)
    message = "SparseTranscoder predicts other rows than those that it encodes"
    refused = [
        lambda: TopKDictionary(transcoder, 2).fit(X),
        lambda: TopKDictionary(new(), 2).fit(X),
        lambda: compare_dictionaries({"a": IdentityDictionary(), "b": transcoder}, X, X),
        lambda: compare_dictionaries({"b": new()}, X, X),
        lambda: DictionaryScorer()(transcoder, X),
        lambda: check_reconstructs_rows(to_torch(transcoder)),
    ]
    for call in refused[:-1]:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(ValueError, match="AffineTranscoder predicts other rows"):
        refused[-1]()


def test_a_transcoder_is_known_by_predict():
    assert is_transcoder(SparseTranscoder())
    assert is_transcoder(make_pipeline(StandardScaler(), SparseTranscoder()))
    assert not is_transcoder(SparseDictionaryAutoencoder())
    check_reconstructs_rows(make_pipeline(StandardScaler(), SparseDictionaryAutoencoder()))


def test_a_pipeline_cannot_decode_targets():
    X, _ = pairs()
    pipeline = make_pipeline(StandardScaler(), new()).fit(X, X)
    for function in (dictionary_atoms, to_torch):
        with pytest.raises(TypeError, match="a Pipeline that ends in a transcoder"):
            function(pipeline)
    alone = make_pipeline(new("skip")).fit(X, X)
    assert isinstance(to_torch(alone, device="cpu"), AffineTranscoder)


# Messages.


def sparse_targets(X, Y):
    return X, scipy.sparse.csr_array(Y)


def with_nan(X, Y):
    Y = Y.copy()
    Y[17, 2] = np.nan
    return X, Y


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X, Y: (X, None), ValueError, "requires y to be passed"),
        (with_nan, ValueError, "Input y contains NaN: first at row 17, column 2"),
        (sparse_targets, TypeError, "Sparse data was passed for y"),
        (lambda X, Y: (X, iter(Y)), TypeError, "y is .*iterator; pass an array"),
        (lambda X, Y: (X, Y.astype(str)), ValueError, "y contains text"),
        (lambda X, Y: (X, np.ones_like(Y)), ValueError, "all 500 rows of y are equal"),
        (lambda X, Y: (X, 1e-30 * Y), ValueError, "multiply y by a constant"),
        (lambda X, Y: (X, Y[None]), ValueError, "dim 3"),
    ],
    ids=["none", "nan", "sparse", "iterator", "text", "constant", "tiny", "three axes"],
)
def test_unsuitable_targets(change, error, message):
    X, Y = pairs()
    transcoder = new()
    with pytest.raises(error, match=message):
        transcoder.fit(*change(X, Y))
    assert not hasattr(transcoder, "components_")
    assert not hasattr(transcoder, "n_features_in_")


def test_parameters_are_checked():
    X, Y = pairs()
    with pytest.raises(TypeError, match="skip_connection=1 is not accepted: pass True or False"):
        new(skip_connection=1).fit(X, Y)
    with pytest.raises(ValueError, match="dead_features='auxk' needs a gradient"):
        new(dead_features="auxk").fit(X, Y)
    with pytest.raises(ValueError, match="y of the 500 rows|rows of y do not vary"):
        new().fit(X, Y).score(X, np.ones_like(Y))
