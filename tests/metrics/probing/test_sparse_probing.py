"""Sparse probes find planted labels, and nothing where there is nothing to find."""

import numpy as np
import pytest
import scipy.sparse
from scipy.stats import ortho_group
from sklearn.decomposition import PCA, FastICA
from sklearn.model_selection import GroupKFold, cross_val_score

from skdict import Activations, IdentityDictionary, compare_dictionaries
from skdict.decomposition import TopKDictionary
from skdict.metrics import SparseProbing
from skdict.metrics.probing import _results

N_DOCUMENTS, N_TOKENS, WIDTH = 60, 40, 20


class Linear:
    """A dictionary whose codes are the rows times the transpose of a matrix."""

    def __init__(self, components, sparse=False):
        self.components_, self.sparse, self.n_encoded = components, sparse, 0

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        self.n_encoded += len(X)
        codes = X @ self.components_.T
        return scipy.sparse.csr_array(codes) if self.sparse else codes

    def inverse_transform(self, codes):
        return codes @ np.linalg.pinv(self.components_.T)


@pytest.fixture
def acts():
    """Documents of normal rows."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((N_DOCUMENTS * N_TOKENS, WIDTH))
    return as_documents(rows)


def as_documents(rows):
    documents = np.repeat(np.arange(len(rows) // N_TOKENS), N_TOKENS)
    positions = np.tile(np.arange(N_TOKENS), len(rows) // N_TOKENS)
    ids = np.zeros(len(rows), dtype=int)
    return Activations(rows, documents=documents, positions=positions, token_ids=ids)


def neurons(acts):
    return IdentityDictionary().fit(np.asarray(acts))


def accuracies(measures):
    return {key: value for key, value in measures.items() if not key.endswith(("_low", "_high"))}


def test_a_feature_that_is_the_label_is_enough(acts):
    rows = np.asarray(acts).copy()
    label = rows[:, 7] > 0.5
    # The code is the label itself: no variance within either class.
    rows[:, 7] = label
    acts = as_documents(rows)
    scorer = SparseProbing(label, k=[1, 3])
    measures = scorer.measure(neurons(acts), acts)
    for name in ("probing_1", "probing_1_low", "probing_1_high", "probing_3"):
        assert measures[name] == 1
    first = scorer.report(neurons(acts), acts)[0]
    assert first["features"] == (7,)
    assert first["base_rate"] == pytest.approx(label.mean())
    assert scorer(neurons(acts), acts) == 1


def test_an_additive_label_needs_both_features(acts):
    rows = np.abs(np.asarray(acts)) * (np.random.default_rng(1).random(acts.shape) < 0.3)
    acts = as_documents(rows)
    label = (rows[:, 2] > 0) | (rows[:, 5] > 0)
    one, two, _ = SparseProbing(label, k=[1, 2], C=1e6).report(neurons(acts), acts)
    # One feature fires on 0.3 / (1 - 0.7**2) of the class and never outside it.
    assert one["balanced_accuracy"] == pytest.approx((1 + 0.3 / 0.51) / 2, abs=0.03)
    assert two["balanced_accuracy"] == 1
    assert set(two["features"]) == {2, 5}


def test_random_labels_are_at_chance(acts):
    labels = {f"{i}": np.random.default_rng(i).random(len(acts)) < 0.3 for i in range(8)}
    measures = SparseProbing(labels).measure(neurons(acts), acts)
    for k in (1, 2, 5, 16, "dense"):
        assert measures[f"probing_{k}_low"] < 0.5 < measures[f"probing_{k}_high"]
        assert measures[f"probing_{k}_high"] - measures[f"probing_{k}_low"] < 0.06


def test_order_sign_and_scale_of_components_do_not_matter(acts):
    rng = np.random.default_rng(2)
    X = np.asarray(acts)
    label = X[:, :3].sum(axis=1) + rng.standard_normal(len(X)) > 0
    scorer = SparseProbing(label, k=[1, 2, 5])
    order = rng.permutation(WIDTH)
    factors = rng.choice([-1, 1], WIDTH) * rng.uniform(0.01, 100, WIDTH)
    plain, changed = (
        scorer.report(Linear(components), acts)
        for components in (np.eye(WIDTH), factors[:, None] * np.eye(WIDTH)[order])
    )
    for before, after in zip(plain, changed, strict=True):
        assert after["balanced_accuracy"] == pytest.approx(before["balanced_accuracy"], abs=1e-9)
        assert after["low"] == pytest.approx(before["low"], abs=1e-9)
        assert tuple(order[list(after["features"])]) == before["features"]


def test_a_rotation_changes_sparse_but_not_dense_probes(acts):
    X = np.asarray(acts)
    scorer = SparseProbing({"sign": X[:, 3] > 0}, k=[1, 2], C=100)
    rotated = Linear(ortho_group.rvs(WIDTH, random_state=0))
    axes, turned, pca = (scorer.measure(d, acts) for d in (neurons(acts), rotated, PCA().fit(X)))
    assert axes["probing_1"] > 0.99
    assert turned["probing_1"] < 0.85
    assert pca["probing_1"] < 0.95
    assert axes["probing_dense"] == turned["probing_dense"] == pca["probing_dense"] > 0.99


def test_ica_finds_the_sources_that_pca_mixes():
    rng = np.random.default_rng(0)
    sources = rng.laplace(size=(4000, 6))
    X = sources @ rng.standard_normal((6, 6))
    scorer = SparseProbing({str(i): sources[:, i] > 0 for i in range(6)}, k=[1])
    ica = FastICA(6, whiten="unit-variance", random_state=0).fit(X)
    table = compare_dictionaries({"ica": ica, "pca": PCA().fit(X)}, None, X, scorers=[scorer])
    assert table["ica"]["probing_1"] > 0.95
    assert table["pca"]["probing_1_high"] < table["ica"]["probing_1_low"]
    assert table["pca"]["probing_dense"] == table["ica"]["probing_dense"]
    assert table["ica"]["n_probed"] == 6


def test_sparse_codes_give_the_same_as_dense_ones(acts):
    labels = {"a": np.asarray(acts)[:, 0] > 1, "b": np.asarray(acts)[:, 1] > 0}
    scorer = SparseProbing(labels, k=[1, 2])
    dense, sparse = (
        scorer.measure(Linear(np.eye(WIDTH), sparse=sparse), acts) for sparse in (False, True)
    )
    assert dense == pytest.approx(sparse, rel=1e-9)


def test_documents_are_not_divided_between_the_parts():
    rng = np.random.default_rng(0)
    codes = rng.choice([-1.0, 1.0], (N_DOCUMENTS, 200))
    rows = np.repeat(codes, N_TOKENS, axis=0) + 0.1 * rng.standard_normal((2400, 200))
    acts = as_documents(rows)
    label = (np.arange(N_DOCUMENTS) % 2 == 1)[acts.documents]
    recognised, grouped = (
        SparseProbing(label, k=[16], groups=groups).measure(neurons(acts), acts)
        for groups in (np.arange(len(acts)), None)
    )
    # With its own documents in training, a random feature recognises the document.
    assert recognised["probing_dense"] == 1
    assert grouped["probing_dense"] < 0.85


def test_rows_and_codes_of_documents_are_averaged(acts):
    X = np.asarray(acts)
    means = X.reshape(N_DOCUMENTS, N_TOKENS, WIDTH).mean(axis=1)
    kinds = np.where(means[:, 4] > 0, "odd", "even")
    options = {"k": [1, 2], "min_samples": 5}
    order = np.random.default_rng(0).permutation(len(acts))
    whole, shuffled = (
        SparseProbing({"kind": kinds}, per_document=True, **options).report(neurons(acts), rows)
        for rows in (acts, acts[order])
    )
    by_hand = SparseProbing({"kind": kinds}, **options).report(neurons(acts), means)
    assert whole == shuffled == by_hand
    assert whole[0]["features"] == (4,)


def test_labels_and_groups_of_documents_are_indexed_by_document(acts):
    kinds = np.arange(N_DOCUMENTS) % 2 == 0
    options = {"k": [1], "min_samples": 5, "test_size": 0.5}
    scorer = SparseProbing(kinds, per_document=True, groups=np.arange(N_DOCUMENTS) // 2, **options)
    rows = np.asarray(acts).copy()
    rows[:, 0] = kinds[acts.documents]
    part = as_documents(rows)
    part = part[part.documents % 4 != 1]
    assert scorer(neurons(part), part) == 1


def test_only_the_drawn_rows_are_encoded():
    rng = np.random.default_rng(0)
    encoded = []
    for n in (4_000, 40_000):
        X = rng.standard_normal((n, WIDTH))
        dictionary = Linear(np.eye(WIDTH))
        labels = {"a": X[:, 0] > 0, "b": X[:, 1] > 0}
        SparseProbing(labels, k=[1], max_samples=200).measure(dictionary, X)
        encoded.append(dictionary.n_encoded)
    # Two labels, two parts, 200 samples, read twice.
    assert max(encoded) <= 1600


def test_rows_without_a_label_and_several_classes(acts):
    X = np.asarray(acts).copy()
    words = np.array(["", "noun", "verb", "name"])[np.arange(len(X)) % 4]
    X[:, 0] = words == "noun"
    # Rows without a label would mislead every probe for nouns.
    X[words == "", 0] = 1
    acts = as_documents(X)
    report = SparseProbing({"part": words}, k=[1]).report(neurons(acts), acts)
    found = {record["label"]: record for record in report if record["k"] == 1}
    assert set(found) == {"part=noun", "part=verb", "part=name"}
    assert found["part=noun"]["balanced_accuracy"] == 1
    assert found["part=noun"]["base_rate"] == pytest.approx(1 / 3)


def test_labels_may_be_a_function_of_the_rows(acts):
    def label(rows):
        return {"positive": np.asarray(rows)[:, 2] > 0}

    scorer = SparseProbing(label, k=[1], min_samples=10)
    scores = cross_val_score(
        IdentityDictionary(), acts, groups=acts.documents, cv=GroupKFold(2), scoring=scorer
    )
    assert (scores > 0.9).all()


def test_in_a_comparison_with_fewer_codes(acts):
    label = np.asarray(acts)[:, 2] > 0
    table = compare_dictionaries(
        {"neurons": neurons(acts)}, None, acts, n_active=[1, WIDTH], scorers=[SparseProbing(label)]
    )
    # The one strongest code of a row is seldom that of the feature.
    assert table["neurons", 1]["probing_1"] < table["neurons", WIDTH]["probing_1"] - 0.2


def test_signs_count_as_two_features_if_they_are_split(acts):
    strong, whole = np.abs(np.asarray(acts)[:, 2]) > 1, neurons(acts)
    split = TopKDictionary(whole, WIDTH, split_sign=True).fit(acts)
    scorer = SparseProbing({"strong": strong}, k=[2], C=1e6)
    # Strong codes of either sign: their mean tells nothing, but the two parts add up.
    assert scorer(whole, acts) < 0.6
    assert scorer(split, acts) > 0.95


def test_labels_with_too_few_samples_are_named(acts):
    labels = {"rare": np.arange(len(acts)) < 5, "common": np.asarray(acts)[:, 0] > 0}
    with pytest.warns(UserWarning, match="^rare: not probed because of fewer than 20"):
        measures = SparseProbing(labels, k=[1]).measure(neurons(acts), acts)
    assert measures["n_probed"] == 1
    with pytest.raises(ValueError, match=r"every label has fewer than 20 .* \(rare\)"):
        SparseProbing({"rare": labels["rare"]}).measure(neurons(acts), acts)


def test_the_seed_decides_the_samples(acts):
    label = np.asarray(acts)[:, :4].sum(axis=1) > 0
    first, again, other = (
        SparseProbing(label, random_state=seed).measure(neurons(acts), acts) for seed in (0, 0, 1)
    )
    assert first == again
    assert accuracies(first) != accuracies(other)


def test_several_dictionaries_share_the_dense_probe(acts, monkeypatch):
    X = np.asarray(acts)
    scorer = SparseProbing({"a": X[:, 0] > 0, "b": X[:, 1] > 0.5}, k=[1, 2])
    methods = [neurons(acts), PCA().fit(X), Linear(np.eye(WIDTH)[::-1])]
    alone = [scorer.measure(method, acts) for method in methods]
    dense, fitted = [], _results.Probe

    def probe(inputs, *rest, **options):
        dense.append(inputs.shape[1] == WIDTH)
        return fitted(inputs, *rest, **options)

    monkeypatch.setattr(_results, "Probe", probe)
    assert list(scorer.measure_each(methods, acts)) == alone
    assert sum(dense) == 2
    # Without a fixed seed, too, all are measured on the same samples.
    again = list(scorer.set_params(random_state=None).measure_each(methods, acts))
    assert len({measures["probing_dense"] for measures in again}) == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"k": []}, ValueError, "non-empty list of numbers"),
        ({"k": [0]}, ValueError, "k"),
        ({"k": [2, 2]}, ValueError, "duplicates"),
        ({"k": [21]}, ValueError, "k contains 21 but the dictionary has 20 components"),
        ({"test_size": 1.0}, ValueError, "test_size"),
        ({"max_samples": 1}, ValueError, "max_samples"),
        ({"min_samples": 0}, ValueError, "min_samples"),
        ({"C": 0}, ValueError, "C"),
        ({"per_document": "yes"}, TypeError, "per_document"),
        ({"labels": np.zeros(3, dtype=bool)}, ValueError, "has 3 entries but X has 2400 rows"),
        ({"labels": np.zeros((2400, 2))}, ValueError, "one-dimensional"),
        ({"labels": np.zeros(2400)}, TypeError, "dtype float64; pass bool, int or str"),
        ({"labels": [None] * 2400}, TypeError, "dtype object"),
        ({"labels": {}}, ValueError, "there are no labels"),
        ({"groups": [1, 2]}, ValueError, "groups has 2 entries"),
        ({"groups": np.arange(2400) % 9}, ValueError, "from 9 documents or groups"),
        (
            {"labels": [True] * 30, "per_document": True},
            ValueError,
            "has 30 entries but X has document 59",
        ),
    ],
)
def test_wrong_parameters(acts, options, error, message):
    options = {"labels": np.asarray(acts)[:, 0] > 0} | options
    with pytest.raises(error, match=message):
        SparseProbing(**options).measure(neurons(acts), acts)


def test_wrong_rows_and_dictionaries(acts):
    label = np.asarray(acts)[:, 0] > 0
    with pytest.raises(TypeError, match="has no components_"):
        SparseProbing(label).measure(GroupKFold(), acts)
    with pytest.raises(ValueError, match="ndarray has no documents; pass Activations"):
        SparseProbing(label, per_document=True).measure(neurons(acts), np.asarray(acts))
    dictionary, rows = neurons(acts), np.asarray(acts).copy()
    rows[17, 3] = np.nan
    with pytest.raises(ValueError, match="NaN: first at row 17, column 3"):
        SparseProbing(label).measure(dictionary, rows)
