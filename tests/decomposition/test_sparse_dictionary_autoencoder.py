"""What the estimator promises beyond scikit-learn's own checks."""

import pickle
import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.decomposition import PCA, FastICA
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdict import Activations, RandomDictionary, SparseDictionaryAutoencoder
from skdict.datasets import make_sparse_features
from skdict.decomposition import _training, dictionary_atoms
from skdict.decomposition._dead_features import warn_of_dead_features
from skdict.exceptions import DeadFeaturesWarning
from skdict.metrics import feature_recovery

FITTED = ("components_", "encoder_", "encoder_bias_", "mean_", "firing_counts_")


@pytest.fixture(scope="module")
def planted():
    return make_sparse_features(20_000, n_features=64, n_components=128, random_state=0)


@pytest.fixture(scope="module")
def fitted(planted):
    return SparseDictionaryAutoencoder(random_state=0).fit(planted.X)


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((300, 8), dtype=np.float32)


def small(**options):
    return SparseDictionaryAutoencoder(16, **{"max_iter": 2, "random_state": 0} | options)


def both_signs(dictionary):
    atoms = dictionary_atoms(dictionary)
    return np.concatenate([atoms, -atoms])


def test_planted_features_are_recovered_and_baselines_do_not(planted, fitted):
    assert feature_recovery(fitted.components_, planted.components) >= 0.98
    pca = PCA().fit(planted.X)
    random = RandomDictionary(random_state=0).fit(planted.X)
    ica = FastICA(64, whiten="unit-variance", random_state=0, max_iter=500).fit(planted.X)
    assert feature_recovery(both_signs(pca), planted.components) < 0.05
    assert feature_recovery(both_signs(random), planted.components) < 0.05
    # FastICA finds axes, not directions: as they are, and with the benefit of either sign (a
    # square basis then holds at most half of twice as many features as dimensions).
    assert feature_recovery(dictionary_atoms(ica), planted.components) < 0.98 / 3
    assert feature_recovery(both_signs(ica), planted.components) < 0.45


def test_untied_weights_recover_too(planted):
    sae = SparseDictionaryAutoencoder(tied_weights=False, random_state=0).fit(planted.X)
    assert feature_recovery(sae.components_, planted.components) >= 0.95
    assert not np.array_equal(sae.encoder_, sae.components_)


def test_codes_are_the_documented_formula(planted, fitted):
    X = planted.X[:500]
    codes = fitted.transform(X)
    assert isinstance(codes, scipy.sparse.csr_array)
    assert codes.dtype == np.float32
    centred = X.astype(np.float64) - fitted.mean_
    expected = np.maximum(centred @ fitted.encoder_.T + fitted.encoder_bias_, 0)
    np.testing.assert_allclose(codes.toarray(), expected, atol=1e-5)
    rebuilt = fitted.inverse_transform(codes)
    np.testing.assert_allclose(rebuilt, fitted.mean_ + expected @ fitted.components_, atol=1e-5)
    np.testing.assert_allclose(rebuilt, fitted.inverse_transform(codes.toarray()), atol=1e-5)
    np.testing.assert_array_equal(fitted.encoder_, fitted.components_)
    np.testing.assert_allclose(np.linalg.norm(fitted.components_, axis=1), 1, atol=1e-6)


def test_score_is_the_variance_explained(planted, fitted):
    rebuilt = fitted.inverse_transform(fitted.transform(planted.X))
    expected = r2_score(planted.X, rebuilt, multioutput="variance_weighted")
    assert fitted.score(planted.X) == pytest.approx(expected, abs=1e-6)


def test_history_and_counts_agree_with_the_codes(planted, fitted):
    last = fitted.history_[-1]
    assert set(last) == {
        *("step", "loss", "fvu", "fvu_inliers", "l0", "alpha", "n_dead", "n_resampled")
    }
    assert last["fvu_inliers"] == last["fvu"]
    assert fitted.n_outlier_rows_ == 0
    codes = fitted.transform(planted.X)
    assert last["l0"] == pytest.approx(codes.nnz / len(planted.X), rel=0.05)
    assert last["fvu"] == pytest.approx(1 - fitted.score(planted.X), rel=0.05)
    assert last["loss"] > last["fvu"]
    assert last["step"] == fitted.n_steps_
    assert fitted.n_iter_ == 10
    counts = np.bincount(codes.indices, minlength=256)
    passes = 5  # 20 batches make up one pass, 100 steps an epoch
    assert fitted.firing_counts_.sum() == pytest.approx(passes * counts.sum(), rel=0.02)
    assert np.corrcoef(counts, fitted.firing_counts_)[0, 1] > 0.999


def test_center_and_scale(rows):
    X = rows * 3 + 5
    sae = small().fit(X)
    np.testing.assert_allclose(sae.mean_, X.mean(0), rtol=1e-5)
    expected = np.sqrt(np.square(X - X.mean(0)).sum(1).mean())
    assert sae.scale_ == pytest.approx(expected, rel=1e-5)
    plain = small(center=False, rescale=False).fit(X)
    assert plain.scale_ == 1
    assert not plain.mean_.any()
    uncentred = small(center=False).fit(X)
    assert uncentred.scale_ == pytest.approx(np.sqrt(np.square(X).sum(1).mean()), rel=1e-5)


def test_equal_bits_with_one_seed(rows):
    first, second = small().fit(rows), small().fit(rows)
    for name in FITTED:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.history_ == second.history_
    other = small(random_state=1).fit(rows)
    assert (first.components_ != other.components_).any()


def test_refitting_starts_anew(rows):
    sae = small().fit(rows)
    once = sae.components_.copy()
    np.testing.assert_array_equal(sae.fit(rows).components_, once)
    np.testing.assert_array_equal(sae.partial_fit(rows).fit(rows).components_, once)


def test_global_random_state_is_untouched(rows):
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    small().fit(rows).partial_fit(rows).transform(rows)
    assert torch.equal(before[0], torch.get_rng_state())
    np.testing.assert_array_equal(before[1], np.random.get_state()[1])


def test_codes_of_a_row_do_not_depend_on_its_batch(planted, fitted):
    X = planted.X[:700]
    whole = fitted.transform(X).toarray()
    alone = np.vstack([fitted.transform(X[i : i + 1]).toarray() for i in range(0, 700, 100)])
    np.testing.assert_array_equal(alone, whole[::100])


def test_supports_do_not_depend_on_scale_and_offset(rows):
    X = rows.astype(np.float64)
    plain = small().fit(X)
    moved = small().fit(1000 * X + 7)
    supports = plain.transform(X).toarray() > 0
    np.testing.assert_array_equal(moved.transform(1000 * X + 7).toarray() > 0, supports)
    np.testing.assert_allclose(moved.components_, plain.components_, atol=1e-6)


def test_float64_is_computed_in_float64(rows):
    X = rows.astype(np.float64)
    double, single = small().fit(X), small().fit(rows)
    assert double.components_.dtype == double.transform(X).dtype == np.float64
    assert single.components_.dtype == single.transform(rows).dtype == np.float32
    centred = np.maximum((X - double.mean_) @ double.encoder_.T + double.encoder_bias_, 0)
    np.testing.assert_allclose(double.transform(X).toarray(), centred, atol=1e-13)
    difference = np.abs(double.components_ - single.components_).max()
    assert 0 < difference < 1e-2


@pytest.mark.parametrize(
    "change",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: X.tolist(),
        torch.from_numpy,
        lambda X: torch.from_numpy(X).requires_grad_(),
        lambda X: torch.from_numpy(X).double().float(),
    ],
)
def test_many_kinds_of_rows(rows, change):
    expected = small().fit(rows)
    sae = small().fit(change(rows.copy()))
    np.testing.assert_array_equal(sae.components_, expected.components_)
    np.testing.assert_array_equal(
        sae.transform(change(rows.copy())).toarray(), expected.transform(rows).toarray()
    )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_becomes_single(rows, dtype):
    tensor = torch.from_numpy(rows).to(dtype)
    sae = small().fit(tensor)
    np.testing.assert_array_equal(sae.components_, small().fit(tensor.float()).components_)


def test_read_only_rows(rows):
    rows.flags.writeable = False
    sae = small().fit(rows)
    assert sae.transform(rows).shape == (300, 16)


def test_memory_maps_and_activations_are_read_in_slices(rows, tmp_path, monkeypatch):
    np.save(tmp_path / "rows.npy", rows.astype(np.float16))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    acts = Activations(
        mapped,
        documents=np.zeros(300, int),
        positions=np.arange(300),
        token_ids=np.zeros(300, int),
    )
    expected = small().fit(np.asarray(mapped, dtype=np.float32))
    for source in (mapped, acts, acts[np.arange(300)]):
        sae = small().fit(source)
        np.testing.assert_array_equal(sae.components_, expected.components_)
        assert sae.transform(source).dtype == np.float32
        assert sae.score(source) == pytest.approx(expected.score(rows), abs=1e-3)


def test_integers_and_constant_columns_are_fine():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 9, (200, 6))
    X[:, 2] = 4
    sae = small().fit(X)
    assert sae.components_.dtype == np.float32
    assert np.isfinite(sae.transform(X).data).all()
    assert sae.score(X) > 0.5


def test_few_rows_get_enough_steps():
    X = np.random.default_rng(0).standard_normal((20, 4))
    sae = SparseDictionaryAutoencoder(8, random_state=0).fit(X)
    assert sae.n_iter_ == 10
    assert sae.n_steps_ == 1000
    assert sae.score(X) > 0.8


def test_default_size_is_four_times_the_width(rows):
    sae = SparseDictionaryAutoencoder(max_iter=1).fit(rows)
    assert sae.components_.shape == (32, 8)
    assert sae.get_feature_names_out()[0] == "sparsedictionaryautoencoder0"


def test_feature_names(rows):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(rows, columns=list("abcdefgh"))
    sae = small(sparse_output=False).set_output(transform="pandas").fit(frame)
    assert list(sae.feature_names_in_) == list("abcdefgh")
    assert sae.transform(frame).shape == (300, 16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sae.score(frame) > 0
    with pytest.raises(ValueError, match="feature names"):
        sae.transform(frame[list("hgfedcba")])


def test_dense_output_equals_sparse(rows):
    sae = small().fit(rows)
    sparse = sae.transform(rows)
    np.testing.assert_array_equal(
        sae.set_params(sparse_output=False).transform(rows), sparse.toarray()
    )


def test_warm_start_continues(planted):
    X = planted.X
    sae = SparseDictionaryAutoencoder(max_iter=2, random_state=0, warm_start=True).fit(X)
    before = sae.history_[-1]["loss"]
    sae.set_params(learning_rate=1e-3).fit(X)
    assert sae.history_[0]["loss"] < 1.1 * before
    anew = SparseDictionaryAutoencoder(max_iter=2, random_state=0).fit(X)
    assert anew.history_[0]["loss"] > 1.5 * before


def test_warm_start_encodes_as_before_when_the_rows_move(rows):
    sae = small(warm_start=True, learning_rate=1e-12).fit(rows)
    codes = sae.transform(rows)
    sae.fit(rows * 2 + 3)
    np.testing.assert_allclose(sae.transform(rows).toarray(), codes.toarray(), atol=1e-4)


def test_warm_start_refuses_another_shape(rows):
    sae = small(warm_start=True).fit(rows)
    codes = sae.transform(rows).toarray()
    with pytest.raises(ValueError, match="with warm_start=False"):
        sae.set_params(n_components=20).fit(rows)
    with pytest.raises(ValueError, match="with warm_start=False"):
        sae.set_params(n_components=16).fit(rows[:, :5])
    np.testing.assert_array_equal(sae.transform(rows).toarray(), codes)


def test_a_fit_that_fails_leaves_the_fitted_estimator_as_it_was(rows):
    sae = small().fit(rows)
    codes = sae.transform(rows).toarray()
    for bad in (with_fault(rows[:, :4], 3, np.nan), np.ones((9, 3))):
        with pytest.raises(ValueError, match="NaN|equal"):
            sae.fit(bad)
        np.testing.assert_array_equal(sae.transform(rows).toarray(), codes)


def test_training_that_diverges_says_so(rows, monkeypatch):
    # The highest rate that is accepted does not diverge here.
    monkeypatch.setattr("skdict.decomposition._autoencoder_params.HIGHEST_LEARNING_RATE", 1e31)
    with pytest.raises(ValueError, match="training diverged.*lower learning_rate"):
        small(learning_rate=1e30).fit(rows)


@pytest.mark.parametrize("factor", [1e200, 1e-200])
def test_extreme_rows_are_refused(rows, factor):
    with pytest.raises(ValueError, match="multiply X by a constant"):
        small().fit(rows.astype(np.float64) * factor)


def test_partial_fit_learns_block_by_block(planted):
    sae = SparseDictionaryAutoencoder(batch_size=256, random_state=0)
    for _ in range(10):
        for block in np.split(planted.X, 4):
            sae.partial_fit(block)
    assert feature_recovery(sae.components_, planted.components) > 0.95
    assert sae.n_iter_ == 40
    assert sae.n_steps_ == 40 * 20
    assert len(sae.history_) == 40
    np.testing.assert_allclose(sae.mean_, planted.X[:5000].mean(0), atol=1e-6)


def test_partial_fit_survives_pickling(rows):
    straight, interrupted = small(), small()
    for block in np.split(rows, 3):
        straight.partial_fit(block)
        interrupted = pickle.loads(pickle.dumps(interrupted.partial_fit(block)))
    for name in FITTED:
        np.testing.assert_array_equal(getattr(straight, name), getattr(interrupted, name))


def test_partial_fit_takes_one_row_after_the_first_block(rows):
    sae = small().partial_fit(rows)
    sae.partial_fit(rows[:1])
    assert sae.n_steps_ == 2
    with pytest.raises(ValueError, match="8 features"):
        sae.partial_fit(rows[:, :5])
    with pytest.raises(ValueError, match="tied_weights=False or activation='relu' differs"):
        sae.set_params(tied_weights=False).partial_fit(rows)
    with pytest.raises(ValueError, match="start afresh with a clone"):
        sae.set_params(tied_weights=True, n_components=3).partial_fit(rows)


def test_pickle_and_joblib_are_bit_equal(rows, tmp_path):
    sae = small().fit(rows)
    codes = sae.transform(rows).toarray()
    joblib.dump(sae, tmp_path / "sae.joblib")
    copies = [
        pickle.loads(pickle.dumps(sae)),
        joblib.load(tmp_path / "sae.joblib"),
        joblib.load(tmp_path / "sae.joblib", mmap_mode="r"),
    ]
    for copy in copies:
        np.testing.assert_array_equal(copy.transform(rows).toarray(), codes)
    values = [v for v in vars(sae).values() if torch.is_tensor(v) or isinstance(v, torch.device)]
    assert values == []


def test_tol_stops_early_with_a_falling_rate(planted):
    sae = SparseDictionaryAutoencoder(max_iter=60, tol=0.01, random_state=0).fit(planted.X)
    assert 2 <= sae.n_iter_ < 20


def test_tol_not_reached_warns(rows):
    with pytest.warns(ConvergenceWarning, match="raise max_iter or tol"):
        small(tol=0.0).fit(rows)


def test_dead_features_are_named_with_cause_and_cure(rows):
    with pytest.warns(DeadFeaturesWarning, match=r"too large a penalty .*lower alpha"):
        small(alpha=5.0).fit(rows)
    with pytest.warns(DeadFeaturesWarning, match="bias_init='calibrated'"):
        small(alpha=5.0, bias_init="zeros", max_iter=10).fit(rows)
    plane = rows[:, :2] @ np.eye(2, 8, dtype=np.float32)
    with pytest.warns(DeadFeaturesWarning, match="lower n_components"):
        SparseDictionaryAutoencoder(200, max_iter=5, random_state=0).fit(plane)


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({}, "lower n_components or lower alpha"),
        ({"target_l0": 1.0}, "lower n_components or raise target_l0"),
        ({"activation": "jumprelu", "target_l0": 1.0}, "lower n_components or raise target_l0"),
        ({"activation": "topk"}, "lower n_components or raise target_l0"),
        ({"activation": "batch_topk", "target_l0": 2}, "lower n_components or raise target_l0"),
    ],
)
def test_advice_names_the_parameter_that_makes_codes_denser(options, remedy):
    sae = small(**options)
    sae.firing_counts_, sae.history_, sae.alpha_ = np.zeros(16), [{"l0": 2.0}], 0.1
    with pytest.warns(DeadFeaturesWarning, match=f"more features than .*: {remedy}$"):
        warn_of_dead_features(sae)


@pytest.mark.parametrize("activation", ["relu", "jumprelu"])
def test_a_target_is_raised_where_it_sets_the_penalty(activation):
    sae = small(activation=activation, target_l0=0.5)
    sae.firing_counts_, sae.history_, sae.alpha_ = np.zeros(16), [{"l0": 0.5}], 0.1
    with pytest.warns(DeadFeaturesWarning, match=r"penalty \(target_l0=0.5\): raise target_l0$"):
        warn_of_dead_features(sae)


def test_zero_biases_fire_on_half_of_the_rows_at_first(rows):
    half = small(bias_init="zeros", max_iter=1, learning_rate=1e-9).fit(rows)
    share = small(max_iter=1, learning_rate=1e-9).fit(rows)
    assert half.history_[0]["l0"] == pytest.approx(8, rel=0.1)
    assert share.history_[0]["l0"] == pytest.approx(0.03 * 16, rel=0.05)


def test_bfloat16_products_cost_little(planted, fitted):
    sae = SparseDictionaryAutoencoder(precision="bfloat16", random_state=0).fit(planted.X)
    assert sae.history_[-1]["loss"] == pytest.approx(fitted.history_[-1]["loss"], rel=0.02)
    assert sae.components_.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_float32_products_are_those_of_auto(rows, dtype):
    by_precision = [small(precision=p).fit(rows.astype(dtype)) for p in ("auto", "float32")]
    auto, named = (sae.components_ for sae in by_precision)
    assert auto.dtype == dtype
    np.testing.assert_array_equal(auto, named)


def test_verbose_shows_progress(rows, capsys):
    small(verbose=1).fit(rows)
    shown = capsys.readouterr().err
    for word in ("loss=", "fvu=", "l0=", "dead="):
        assert word in shown
    small().fit(rows)
    assert capsys.readouterr().err == ""


def test_callbacks_see_each_epoch_and_can_stop(rows):
    pytest.importorskip("sklearn.callback")

    class StopAtSecond:
        def __init__(self):
            self.seen = []

        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            self.seen.append("teardown")

        def on_fit_task_begin(self, estimator, context, *, X=None):
            pass

        def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
            self.seen.append((context.task_name, fitted_estimator.n_iter_))
            assert fitted_estimator.transform(rows).shape == (300, 16)
            return context.task_name == "epoch" and fitted_estimator.n_iter_ == 2

    callback = StopAtSecond()
    sae = small(max_iter=5).set_callbacks(callback).fit(rows)
    assert sae.n_iter_ == 2
    assert callback.seen == [("epoch", 1), ("epoch", 2), ("fit", 2), "teardown"]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_agrees_with_the_cpu(planted, fitted):
    sae = SparseDictionaryAutoencoder(device="cuda", random_state=0).fit(planted.X)
    assert sae.history_[-1]["loss"] == pytest.approx(fitted.history_[-1]["loss"], rel=0.01)
    assert feature_recovery(sae.components_, planted.components) >= 0.98
    codes = sae.transform(planted.X[:1000]).toarray()
    on_cpu = sae.set_params(device="cpu").transform(planted.X[:1000]).toarray()
    np.testing.assert_allclose(codes, on_cpu, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("n_components", "shape"),
    [
        (512, {"n_features": 64, "n_components": 128}),
        (512, {"n_features": 128, "n_components": 256}),
        (2048, {"n_features": 512, "n_components": 1024, "decay": 1.0}),
    ],
    ids=["width 64", "width 128", "width 512"],
)
def test_planted_features_are_recovered_at_size(n_components, shape, seed):
    data = make_sparse_features(300_000, random_state=seed, **shape)
    sae = SparseDictionaryAutoencoder(n_components, random_state=seed).fit(data.X)
    assert feature_recovery(sae.components_, data.components) >= 0.98


def test_in_a_pipeline_and_a_search(rows):
    pipeline = make_pipeline(StandardScaler(), PCA(6), small())
    assert pipeline.fit_transform(rows).shape == (300, 16)
    assert pipeline.inverse_transform(pipeline.transform(rows)).shape == rows.shape
    search = GridSearchCV(small(), {"alpha": [0.05, 0.5]}, cv=2, error_score="raise").fit(rows)
    assert search.best_params_ == {"alpha": 0.05}
    assert clone(search.best_estimator_).alpha == 0.05


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"alpha": -0.1}, ValueError, "alpha=-0.1 .* 0.1 is a start"),
        ({"alpha": float("nan")}, ValueError, "alpha=nan"),
        ({"alpha": "0.1"}, TypeError, "alpha='0.1' .* pass a number >= 0"),
        ({"n_components": 0}, ValueError, "n_components=0 .* >= 1"),
        ({"n_components": 2.5}, TypeError, "an integer"),
        ({"n_components": True}, TypeError, "an integer"),
        ({"max_iter": 0}, ValueError, "max_iter=0"),
        ({"batch_size": 0}, ValueError, "batch_size=0"),
        ({"learning_rate": 0.0}, ValueError, "learning_rate=0.0 .* > 0"),
        ({"tol": -1}, ValueError, "tol=-1"),
        ({"bias_init": "zero"}, ValueError, "'calibrated', 'zeros'"),
        ({"precision": "float16"}, ValueError, "'auto', 'float32', 'bfloat16'"),
        ({"device": "gpu"}, ValueError, "device='gpu'"),
        ({"tied_weights": "yes"}, TypeError, "True or False"),
        ({"random_state": "seed"}, ValueError, "seed"),
    ],
)
def test_bad_parameters(rows, options, error, message):
    sae = SparseDictionaryAutoencoder(**options)
    with pytest.raises(error, match=message):
        sae.fit(rows)
    assert not hasattr(sae, "components_")


def with_fault(rows, row, value):
    rows = rows.copy()
    rows[row, 1] = value
    return rows


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda X: with_fault(X, 17, np.nan), ValueError, "NaN: first at row 17, column 1"),
        (lambda X: with_fault(X, 299, -np.inf), ValueError, "infinity: first at row 299"),
        (lambda X: X[:1], ValueError, "1 sample"),
        (lambda X: X[:0], ValueError, "0 sample"),
        (lambda X: np.ones_like(X), ValueError, "all 300 rows of X are equal"),
        (lambda X: X[0], ValueError, "1D array"),
        (lambda X: X.astype(complex), ValueError, "[Cc]omplex"),
        (lambda X: scipy.sparse.csr_array(X), TypeError, "[Ss]parse"),
        (lambda X: np.array([["a", "b"], ["c", "d"]], dtype=object), ValueError, "convert"),
        (lambda X: None, ValueError, "Expected 2D array"),
    ],
)
def test_bad_rows(rows, make, error, message):
    with pytest.raises(error, match=message):
        small().fit(make(rows))


def test_faults_in_slices_are_named(rows, tmp_path):
    np.save(tmp_path / "rows.npy", with_fault(rows, 123, np.nan))
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    with pytest.raises(ValueError, match="row 123"):
        small().fit(mapped)
    sae = small().fit(rows)
    with pytest.raises(ValueError, match="row 123"):
        sae.transform(mapped)


def test_object_rows_of_numbers_are_fine(rows):
    sae = small().fit(rows.astype(object))
    assert sae.components_.dtype == np.float32


def test_wrong_width_and_wrong_codes(rows):
    sae = small().fit(rows)
    with pytest.raises(ValueError, match="8 features"):
        sae.transform(rows[:, :7])
    with pytest.raises(ValueError, match=r"codes of shape \(n_rows, 16\)"):
        sae.inverse_transform(np.zeros((3, 15)))
    with pytest.raises(ValueError, match="do not vary"):
        sae.score(rows[:1])
    with pytest.raises(NotFittedError):
        small().transform(rows)


def test_float64_rows_are_not_rounded_to_bfloat16(rows):
    with pytest.raises(ValueError, match="precision='bfloat16' would round float64"):
        small(precision="bfloat16").fit(rows.astype(np.float64))


def test_dead_features_can_be_given_a_new_start(planted):
    settings = {"n_components": 1024, "batch_size": 256, "max_iter": 5, "random_state": 0}
    dead, histories = {}, {}
    for way in ("ignore", "resample"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sae = SparseDictionaryAutoencoder(alpha=0.3, dead_features=way, **settings)
            sae.fit(planted.X[:20_000])
        dead[way] = np.count_nonzero(sae.firing_counts_ == 0)
        histories[way] = [entry["n_resampled"] for entry in sae.history_]
    assert set(histories["ignore"]) == {0}
    assert histories["resample"] == sorted(histories["resample"])
    assert histories["resample"][-1] > 0
    assert dead["resample"] < 0.7 * dead["ignore"]


def test_more_components_than_memory_holds_are_refused_at_once(rows):
    with pytest.raises(ValueError, match=r"needs about \d+\.\d GiB on cpu.*lower n_components"):
        SparseDictionaryAutoencoder(10**10).fit(rows)


def test_a_batch_larger_than_the_data_is_the_data(rows):
    sae = SparseDictionaryAutoencoder(16, batch_size=10**6, max_iter=1, random_state=0).fit(rows)
    assert sae.n_steps_ == 100


def test_a_full_gpu_is_told_of_plainly(rows, monkeypatch):
    def full(*arguments):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(_training, "new_trainer", full)
    with pytest.raises(MemoryError, match=r"lower batch_size \(currently 1024\) or n_components"):
        SparseDictionaryAutoencoder(16).fit(rows)
