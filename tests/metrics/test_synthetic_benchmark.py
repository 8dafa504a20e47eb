"""Recovery of planted features: known answers for the truth, chance and known failures."""

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.decomposition import NMF, PCA, FastICA, MiniBatchDictionaryLearning
from sklearn.utils import Bunch

from skdict import RandomDictionary
from skdict.datasets import make_sparse_features
from skdict.metrics import synthetic_benchmark
from tests.planted import HandBuilt, absorbing, orthonormal_features, true_codes, truth

PERFECT = ("mcc", "recovery", "recovery_back", "uniqueness", "precision", "recall", "f1")


@pytest.fixture(scope="module")
def data():
    return orthonormal_features(
        n_features=8, n_components=24, n_active=4, n_parents=4, children_per_parent=2
    )


def measured(dictionary, data, **options):
    return synthetic_benchmark({"it": dictionary}, data, **options)["it"]


def test_the_truth_is_perfect(data):
    record = measured(truth(data), data)
    assert all(record[name] == pytest.approx(1) for name in PERFECT)
    assert record["shrinkage"] == pytest.approx(1)
    assert record["hedging"] == pytest.approx(0, abs=1e-12)
    assert record["absorption"] == 0


def test_random_directions_are_at_the_chance_level():
    data = make_sparse_features(400, n_features=64, n_components=200, random_state=0)
    record = measured(RandomDictionary(200, random_state=0), data)
    assert record["mcc"] == pytest.approx(record["mcc_random"], abs=0.02)
    assert record["recovery"] == record["recovery_back"] == 0


def test_chance_does_not_draw_the_planted_directions_again():
    data = make_sparse_features(400, n_features=64, n_components=100, random_state=0)
    assert measured(PCA(64), data, random_state=0)["mcc_random"] < 0.5


def test_order_and_sign_do_not_matter(data):
    order = np.random.default_rng(0).permutation(24)
    signs = np.where(np.arange(24) % 3, 1.0, -1.0)
    mixed = HandBuilt(
        (signs[:, None] * data.components)[order],
        lambda X: (signs * true_codes(data, X))[:, order],
    )
    first, second = measured(truth(data), data), measured(mixed, data)
    assert all(
        first[name] == pytest.approx(second[name], abs=1e-9)
        for name in first
        if name != "dictionary"
    )


def test_a_rotation_changes_nothing(data):
    turn = ortho_group.rvs(data.components.shape[1], random_state=0)
    mixed = Bunch(**data | {"X": data.X @ turn, "components": data.components @ turn})
    noise = 0.1 * np.random.default_rng(0).standard_normal(data.components.shape)
    near = HandBuilt(data.components + noise, lambda X: true_codes(data, X))
    turned = HandBuilt(near.components @ turn, lambda X: near.transform(X @ turn.T))
    first, second = measured(near, data), measured(turned, mixed)
    assert 0.5 < first["mcc"] < 0.99
    for name in first.keys() - {"dictionary", "mcc_random"}:
        assert first[name] == pytest.approx(second[name], abs=1e-6), name


def test_half_of_the_truth_recovers_half(data):
    half = HandBuilt(data.components[:12], lambda X: true_codes(data, X)[:, :12])
    record = measured(half, data)
    assert record["mcc"] == pytest.approx(1)
    assert (record["recovery"], record["recovery_back"]) == (0.5, 1)


def test_copies_are_not_unique(data):
    twice = HandBuilt(
        np.concatenate([data.components, data.components]),
        lambda X: np.hstack([true_codes(data, X)] * 2) / 2,
    )
    assert measured(twice, data)["uniqueness"] == 0.5


def test_firing_is_compared_with_the_nearest_feature(data):
    every = np.argmax(data.codes.mean(axis=0))

    def encode(X):
        codes = true_codes(data, X)
        codes[:, every] = 1
        return codes

    record = measured(HandBuilt(data.components, encode), data)
    share = (data.codes[3000:, [every]].toarray() > 0).mean()
    assert record["precision"] == pytest.approx((23 + share) / 24)
    assert record["f1"] == pytest.approx((23 + 2 * share / (1 + share)) / 24)
    assert record["recall"] == 1


def test_shrinkage_is_the_factor_of_the_codes(data):
    shrunk = HandBuilt(data.components, lambda X: 0.8 * true_codes(data, X))
    assert measured(shrunk, data)["shrinkage"] == pytest.approx(0.8)


def test_differences_of_means_hedge_fully(data):
    codes = data.codes.toarray().astype(np.float64)
    rows = codes @ data.components
    means = [rows[codes[:, j] > 0].mean(axis=0) - rows.mean(axis=0) for j in range(24)]
    record = measured(HandBuilt(np.array(means), lambda X: true_codes(data, X)), data)
    assert record["hedging"] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("threshold", [0.0, 0.6])
def test_absorption_is_the_planted_share(data, threshold):
    dictionary, taken = absorbing(data, threshold)
    codes = data.codes.toarray() > 0
    shares = []
    for parent in range(4):
        children = codes[:, data.parents == parent].any(axis=1)[3000:]
        shares.append(taken[3000:, parent][children].mean())
    assert measured(dictionary, data)["absorption"] == pytest.approx(np.mean(shares), abs=1e-12)


def test_absorption_needs_parents():
    data = orthonormal_features(n_features=8, n_components=8, n_active=2)
    assert "absorption" not in measured(truth(data), data)


def test_estimators_of_scikit_learn_and_their_names():
    data = make_sparse_features(600, n_features=8, n_components=12, n_active=2, random_state=0)
    learners = [
        MiniBatchDictionaryLearning(12, max_iter=3, random_state=0),
        NMF(6, random_state=0, max_iter=500, tol=1e-2),
        FastICA(8, random_state=0, tol=0.1),
        PCA(2),
        PCA(8),
    ]
    table = synthetic_benchmark(learners, data)
    names = [record["dictionary"] for record in table.records]
    assert names == ["MiniBatchDictionaryLearning", "NMF", "FastICA", "PCA-1", "PCA-2"]
    assert all(0 < record["mcc"] < 1 for record in table.records)
    assert table["PCA-2"]["shrinkage"] == pytest.approx(1, abs=1e-4)


def test_several_cuts_and_seeds(data):
    options = {"n_active": [2, 4], "n_seeds": 2}
    table = synthetic_benchmark([RandomDictionary(24)], data, **options)
    assert table["RandomDictionary", 2]["l0"] <= 2 < table["RandomDictionary", 4]["l0"]
    assert len(table.runs[0]) == 2


def test_a_dead_dictionary_has_no_f1(data):
    dead = HandBuilt(data.components, lambda X: np.zeros((len(X), 24)))
    record = measured(dead, data)
    assert (record["f1"], record["n_dead"], record["mcc"]) == (0, 24, pytest.approx(1))


@pytest.mark.parametrize("given", [[], PCA(2), "pca"])
def test_estimators_are_a_list_or_a_dict(given):
    with pytest.raises(TypeError, match="pass a list of dictionaries"):
        synthetic_benchmark(given)


def test_data_have_planted_features():
    with pytest.raises(ValueError, match="data has no components, codes, parents"):
        synthetic_benchmark([PCA(2)], Bunch(X=np.zeros((4, 2))))
