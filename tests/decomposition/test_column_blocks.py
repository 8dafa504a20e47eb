"""Blocks of columns: a crosscoder is an autoencoder on scaled columns, in units of the rows."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skdict import SparseDictionaryAutoencoder
from skdict.decomposition import dictionary_atoms, to_torch
from skdict.exceptions import OutlierWarning
from skdict.io import fit_resumable, load_dictionary, save_dictionary
from tests.decomposition.planted_blocks import matches, plant, true_shares
from tests.signed_topk import SignedTopK

KINDS = {
    "relu": {"alpha": 0.05},
    "untied": {"alpha": 0.05, "tied_weights": False},
    "resampled": {"alpha": 0.05, "dead_features": "resample"},
    "steered": {"target_l0": 3},
    "topk": {"activation": "topk", "target_l0": 3},
    "batch_topk": {"activation": "batch_topk", "target_l0": 2.5},
    "jumprelu": {"activation": "jumprelu", "alpha": 0.01},
    "signed": {"activation": SignedTopK(3), "bias_init": "zeros"},
    "matryoshka": {"activation": "topk", "target_l0": 3, "matryoshka": [0.25]},
    "uncentred": {"alpha": 0.05, "center": False},
    "unscaled": {"alpha": 0.05, "rescale": False},
    "debiased": {"alpha": 0.05, "debias": True},
}
# Settings whose fitted form training cannot start from.
FINAL = {"debiased"}
pytestmark = [
    pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("short_epochs"),
]
every_kind = pytest.mark.parametrize("kind", KINDS)
continued = pytest.mark.parametrize("kind", sorted(KINDS.keys() - FINAL))
BLOCKS = [5, 3, 4]


def new(kind="relu", **options):
    base = {"blocks": BLOCKS, "max_iter": 2, "batch_size": 64, "random_state": 0, "device": "cpu"}
    return SparseDictionaryAutoencoder(16, **base | KINDS[kind] | options)


def make_rows(n_rows=400, seed=0, dtype=np.float64):
    """Return sparse rows in three blocks of very different units."""
    rng = np.random.default_rng(seed)
    atoms = np.random.default_rng(9).standard_normal((20, 12))
    rows = (rng.random((n_rows, 20)) < 0.15) * rng.random((n_rows, 20)) @ atoms
    rows += 0.05 * rng.standard_normal(rows.shape) + 1
    return (rows * np.repeat([1, 40, 0.1], BLOCKS)).astype(dtype)


def codes_of(sae, X):
    codes = sae.transform(X)
    return codes.toarray() if hasattr(codes, "toarray") else codes


@pytest.fixture(scope="module")
def crosscoder():
    """A crosscoder with planted truth, trained for full epochs."""
    planted = plant()
    sae = SparseDictionaryAutoencoder(
        64,
        blocks=planted.blocks,
        activation="batch_topk",
        target_l0=2,
        center=False,
        random_state=2,
        device="cpu",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("skdict.decomposition._schedule.Schedule.min_steps", 100)
        return planted, sae.fit(planted.X.astype(np.float32))


def test_planted_features_are_recovered_with_their_shares(crosscoder):
    planted, sae = crosscoder
    best, cosines = matches(sae, planted)
    found = cosines >= 0.9
    assert found.mean() >= 0.95
    truth = true_shares(planted, sae.scale_)
    np.testing.assert_allclose(sae.block_norms_[best][found], truth[found], atol=0.05)


def test_the_kinds_of_planted_features_can_be_told_from_the_directions(crosscoder):
    planted, sae = crosscoder
    best, _ = matches(sae, planted)
    shares = sae.block_norms_[best]
    assert (shares[planted.kinds == "first", 1] < 0.05).mean() >= 0.95
    assert (shares[planted.kinds == "second", 0] < 0.05).mean() >= 0.95
    first, second = np.split(sae.components_[best], [planted.blocks[0]], axis=1)
    cosines = (first * second).sum(1)
    cosines = cosines / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)
    assert (cosines[planted.kinds == "shared"] > 0.9).mean() >= 0.95
    assert (np.abs(cosines[planted.kinds == "rotated"]) < 0.75).all()


def test_squares_of_the_shares_sum_to_one(crosscoder):
    np.testing.assert_allclose(np.square(crosscoder[1].block_norms_).sum(axis=1), 1, rtol=1e-6)


@every_kind
def test_equals_an_autoencoder_on_scaled_columns(kind):
    X = make_rows()
    sae = new(kind).fit(X)
    columns = np.repeat(sae.scale_, sae.blocks_)
    scaled = (X - sae.mean_) / columns
    plain = new(kind, blocks=None, center=False).fit(scaled)
    rebuilt = sae.inverse_transform(sae.transform(X))
    expected = plain.inverse_transform(plain.transform(scaled))
    # Least squares are solved to a tolerance, everything else to rounding.
    atol = 1e-4 if kind == "debiased" else 1e-9
    np.testing.assert_allclose((rebuilt - sae.mean_) / columns, expected - plain.mean_, atol=atol)
    measures = ("loss", "fvu", "fvu_inliers", "l0")
    for ours, theirs in zip(sae.history_, plain.history_, strict=True):
        np.testing.assert_allclose([ours[m] for m in measures], [theirs[m] for m in measures])


@every_kind
def test_one_block_is_the_same_as_none(kind):
    X = make_rows(dtype=np.float32)
    one, none = new(kind, blocks=[12]).fit(X), new(kind, blocks=None).fit(X)
    assert one.history_ == none.history_
    for name, value in vars(none).items():
        if name.endswith("_"):
            np.testing.assert_array_equal(getattr(one, name), value)
    np.testing.assert_array_equal(one.block_norms_, np.ones((16, 1)))


@every_kind
def test_the_fitted_form_is_that_of_any_dictionary(kind):
    X = make_rows()
    sae = new(kind).fit(X)
    np.testing.assert_allclose(np.linalg.norm(sae.components_, axis=1), 1)
    np.testing.assert_allclose(dictionary_atoms(sae), sae.components_, atol=1e-12)
    pre = (X - sae.mean_) @ sae.encoder_.T + sae.encoder_bias_
    codes, active = codes_of(sae, X), codes_of(sae, X) != 0
    expected = pre * sae.code_gains_ + getattr(sae, "code_offsets_", 0)
    np.testing.assert_allclose(codes[active], expected[active], rtol=1e-9)
    if "thresholds_" in vars(sae):
        np.testing.assert_array_equal(active, pre > sae.thresholds_)
    frozen = to_torch(sae, dtype="float64")
    np.testing.assert_allclose(frozen.encode(torch.tensor(X)).numpy(), codes, atol=1e-9)


def test_alpha_is_relative_to_the_rows():
    X = make_rows()
    sae = new().fit(X)
    scaled = (X - sae.mean_) / np.repeat(sae.scale_, BLOCKS)
    np.testing.assert_allclose(np.square(scaled).sum(axis=1).mean(), 1)
    parts = np.split(scaled, np.cumsum(BLOCKS)[:-1], axis=1)
    np.testing.assert_allclose([np.square(part).sum(axis=1).mean() for part in parts], 1 / 3)


def test_the_units_of_a_block_do_not_matter():
    X, units = make_rows(), np.repeat([7, 0.01, 300], BLOCKS)
    sae, other = new().fit(X), new().fit(X * units)
    np.testing.assert_allclose(other.block_norms_, sae.block_norms_, rtol=1e-6)
    np.testing.assert_allclose(
        other.inverse_transform(other.transform(X * units)) / units,
        sae.inverse_transform(sae.transform(X)),
        rtol=1e-6,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@continued
def test_a_start_from_a_crosscoder_keeps_its_codes(kind, dtype):
    X = make_rows(dtype=dtype)
    sae = new(kind).fit(X)
    again = new(kind, dict_init=sae, max_iter=1, learning_rate=1e-30).fit(X)
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(again.components_, sae.components_, atol=tolerance)
    if kind not in ("batch_topk", "signed", "topk", "matryoshka"):
        np.testing.assert_allclose(codes_of(again, X), codes_of(sae, X), atol=tolerance * 40)
    else:
        differ = np.abs(codes_of(again, X) - codes_of(sae, X)).max(axis=1) > tolerance * 100
        assert differ.mean() < 0.1


def test_a_plain_dictionary_starts_where_it_was_fitted():
    X = make_rows()
    crosscoder = new("untied").fit(X)
    plain = new("untied", blocks=None, dict_init=crosscoder, max_iter=1, learning_rate=1e-30).fit(X)
    np.testing.assert_allclose(codes_of(plain, X), codes_of(crosscoder, X), atol=1e-9)
    back = new("untied", dict_init=plain, max_iter=1, learning_rate=1e-30).fit(X)
    np.testing.assert_allclose(codes_of(back, X), codes_of(plain, X), atol=1e-9)
    topk = new("topk", blocks=None).fit(X)
    with pytest.raises(ValueError, match="gains that differ between features"):
        new("topk", dict_init=topk).fit(X)


@continued
def test_partial_fit_goes_through_the_units_of_the_rows(kind):
    X = make_rows()
    sae = new(kind).partial_fit(X)
    first = sae.history_[-1]["fvu"]
    for _ in range(8):
        sae.partial_fit(X)
    assert sae.history_[-1]["fvu"] < first
    np.testing.assert_allclose(np.square(sae.block_norms_).sum(axis=1), 1)


def test_partial_fit_in_one_scale_equals_partial_fit_on_scaled_columns():
    X = make_rows()
    sae = new("untied").partial_fit(X)
    columns = np.repeat(sae.scale_, BLOCKS)
    plain = new("untied", blocks=None, center=False).partial_fit((X - sae.mean_) / columns)
    for seed in range(3):
        more = make_rows(100, seed + 1)
        sae.partial_fit(more)
        plain.partial_fit((more - sae.mean_) / columns)
    scaled = (X - sae.mean_) / columns
    rebuilt = sae.inverse_transform(sae.transform(X))
    expected = plain.inverse_transform(plain.transform(scaled))
    np.testing.assert_allclose((rebuilt - sae.mean_) / columns, expected, atol=1e-8)


def test_warm_start_keeps_codes():
    X = make_rows()
    sae = new("jumprelu", warm_start=True).fit(X)
    codes = codes_of(sae, X)
    sae.set_params(max_iter=1, learning_rate=1e-30).fit(X)
    np.testing.assert_allclose(codes_of(sae, X), codes, atol=1e-9)


@every_kind
def test_saving_and_loading_change_nothing(kind, tmp_path):
    X = make_rows(dtype=np.float32)
    if kind == "signed":
        pytest.skip("an activation object is saved by name only")
    sae = new(kind).fit(X)
    save_dictionary(sae, tmp_path / "sae")
    again = load_dictionary(tmp_path / "sae")
    np.testing.assert_array_equal(codes_of(again, X), codes_of(sae, X))
    np.testing.assert_array_equal(again.block_norms_, sae.block_norms_)
    assert again.get_params() == sae.get_params()
    if kind not in FINAL:
        again.partial_fit(X)
    np.testing.assert_array_equal(codes_of(pickle.loads(pickle.dumps(sae)), X), codes_of(sae, X))


def test_saelens_reads_the_same_codes(tmp_path):
    X = make_rows(dtype=np.float32)
    sae = new("batch_topk").fit(X)
    save_dictionary(sae, tmp_path / "sae", format="saelens")
    again = load_dictionary(tmp_path / "sae")
    np.testing.assert_allclose(
        again.inverse_transform(again.transform(X)),
        sae.inverse_transform(sae.transform(X)),
        rtol=1e-4,
        atol=1e-4,
    )


def test_a_resumed_fit_equals_one_without_a_break(tmp_path):
    X = make_rows(dtype=np.float32)
    whole = new("batch_topk", max_iter=3).fit(X)
    resumed = fit_resumable(new("batch_topk", max_iter=3), X, tmp_path / "fit")
    np.testing.assert_array_equal(resumed.components_, whole.components_)
    np.testing.assert_array_equal(resumed.code_gains_, whole.code_gains_)


def test_refitted_codes_weigh_blocks_equally():
    X = make_rows()
    sae = new(max_iter=5).fit(X)
    columns = np.repeat(sae.scale_, BLOCKS)

    def error():
        residual = (X - sae.inverse_transform(sae.transform(X))) / columns
        return np.square(residual).sum()

    before = error()
    sae.refit_codes(X)
    assert error() < before
    assert sae.block_norms_.shape == (16, 3)


def test_a_row_is_an_outlier_if_it_is_one_in_any_block():
    X = make_rows()
    X[7, 10], X[11, 6] = 50, 2e4
    with pytest.warns(OutlierWarning, match=r"2 of 400 rows .* of the blocks \(rows 7, 11\)"):
        sae = new().fit(X)
    assert sae.n_outlier_rows_ == 2
    assert sae.outlier_cutoff_.shape == (3,)
    with pytest.warns(OutlierWarning):
        clean = new().fit(np.vstack([X[:7], X[8:11], X[12:], X[[7, 11]]]))
    np.testing.assert_allclose(clean.mean_, sae.mean_)


def test_a_search_over_blocks():
    grid = {"blocks": [None, BLOCKS, [6, 6]]}
    search = GridSearchCV(new(blocks=None), grid, cv=2, error_score="raise").fit(make_rows())
    assert len(search.cv_results_["params"]) == 3
    assert clone(new()).blocks == BLOCKS


@pytest.mark.parametrize(
    ("blocks", "error", "match"),
    [
        ([5, 3], ValueError, r"blocks=\[5, 3\] sums to 8, but X has 12 columns"),
        ([12, 0], ValueError, "must contain positive sizes"),
        ([], ValueError, "must contain positive sizes"),
        ([6.0, 6.0], TypeError, "pass the number of columns of each block"),
        ([True, 11], TypeError, "pass the number of columns"),
        (2, TypeError, "pass the number of columns"),
        ("66", TypeError, "pass the number of columns"),
    ],
)
def test_blocks_that_do_not_fit_are_rejected(blocks, error, match):
    with pytest.raises(error, match=match):
        new(blocks=blocks).fit(make_rows())


def test_a_constant_block_is_rejected():
    X = make_rows()
    X[:, 5:8] = 3
    with pytest.raises(ValueError, match="rows of block 1 of X are equal"):
        new().fit(X)


def test_blocks_must_not_change_between_parts():
    sae = new().partial_fit(make_rows())
    with pytest.raises(ValueError, match="blocks=None differs from the value"):
        sae.set_params(blocks=None).partial_fit(make_rows())


def test_there_are_no_block_norms_without_blocks():
    assert not hasattr(new(), "block_norms_")
    sae = new().fit(make_rows()).set_params(blocks=None).fit(make_rows())
    assert not hasattr(sae, "block_norms_")
    assert isinstance(sae.scale_, float)
