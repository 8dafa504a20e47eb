"""The context explainer finds planted classes, topics and products, and selects as it says."""

import numpy as np
import pytest
import scipy.sparse

from skdict.activations import Vocabulary
from skdict.inspection.evidence import TokenBlock
from skdict.interpretation import ContextExplainer
from skdict.interpretation.explainers._pursuit import MIN_GAIN, RIDGE, Pursuit
from skdict.interpretation.explainers._rules import RulePredictor
from skdict.interpretation.explainers._token_classes import token_classes

N_TYPES, N_GROUPS = 400, 20


def grouped_vocabulary():
    """Return 400 tokens whose vectors form 20 tight groups, and the group of each."""
    rng = np.random.default_rng(0)
    group = rng.permutation(np.arange(N_TYPES) % N_GROUPS)
    centres = rng.normal(size=(N_GROUPS, 16))
    vectors = centres[group] + 0.05 * rng.normal(size=(N_TYPES, 16))
    return Vocabulary([f" w{i}" for i in range(N_TYPES)], vectors), group


def draw(vocabulary, n_documents, seed, length=60):
    ids = np.random.default_rng(seed).integers(N_TYPES, size=n_documents * length)
    documents = np.repeat(np.arange(n_documents), length)
    return TokenBlock(documents, np.tile(np.arange(length), n_documents), ids, vocabulary)


def correlation(explanation, codes, tokens):
    return np.corrcoef(RulePredictor([explanation]).predict(tokens).toarray()[:, 0], codes)[0, 1]


def explain(codes, tokens, **params):
    return ContextExplainer(**params).explain(scipy.sparse.csc_array(codes[:, None]), tokens)[0]


def test_a_class_is_found_from_a_few_of_its_members():
    vocabulary, group = grouped_vocabulary()
    train, test = draw(vocabulary, 10, 1), draw(vocabulary, 50, 2)
    codes = (group[train.token_ids] == 3).astype(float)
    # The text has most, but not all, of the 20 members. They fill several of the 64 classes.
    assert 10 < len(set(train.token_ids[codes > 0])) < 20
    found = explain(codes, train, budget=4)
    assert {term.kind for term, _ in found.terms} == {"class"}
    assert correlation(found, group[test.token_ids] == 3, test) > 0.95
    train = TokenBlock(train.documents, train.positions, train.token_ids, list(vocabulary))
    by_tokens = explain(codes, train, budget=4)
    assert correlation(by_tokens, group[test.token_ids] == 3, test) < 0.6


def test_a_class_after_a_class_is_found_as_one_product():
    vocabulary, group = grouped_vocabulary()
    train, test = draw(vocabulary, 400, 1), draw(vocabulary, 100, 2)

    def codes(tokens):
        before = tokens.back(1)
        return (group[tokens.token_ids] == 3) & (before >= 0) & (group[before] == 5)

    found = explain(codes(train).astype(float), train, budget=1)
    assert found.terms[0][0].kind == "both" and found.n_rules == 1
    assert correlation(found, codes(test), test) > 0.85


def test_a_topic_is_found():
    """Codes are 1 wherever a token of group 3, which few documents have, occurred before."""
    vocabulary, group = grouped_vocabulary()
    rng = np.random.default_rng(1)
    tokens = draw(vocabulary, 300, 1)
    elsewhere = (group[tokens.token_ids] == 3) & (rng.random(300) < 0.9)[tokens.documents]
    others = np.flatnonzero(group != 3)
    tokens.token_ids[elsewhere] = rng.choice(others, elsewhere.sum())
    n = np.cumsum(group[tokens.token_ids] == 3) - (group[tokens.token_ids] == 3)
    codes = (n - n[60 * tokens.documents] > 0).astype(float)
    train, test = np.arange(300) < 200, np.arange(300) >= 200
    train, test = train[tokens.documents], test[tokens.documents]
    found = explain(codes[train], tokens[train], budget=5)
    assert found.terms[0][0].kind == "topic"
    assert correlation(found, codes[test], tokens[test]) > 0.8


def test_classes_are_the_planted_groups_and_cover_the_vocabulary():
    vocabulary, group = grouped_vocabulary()
    tokens = draw(vocabulary, 200, 1)
    levels = token_classes(tokens.token_ids, vocabulary.vectors)
    assert [len(level) for level in levels] == [32, 64, 128, 256]
    for level in levels:
        assert sorted(i for ids in level for i in ids) == list(range(N_TYPES))
        assert all(len(set(group[list(ids)])) == 1 for ids in level)
    assert token_classes(tokens.token_ids, vocabulary.vectors) == levels
    assert token_classes(tokens.token_ids[:20], vocabulary.vectors) == ()


def slow_pursuit(columns, codes, budget):
    """Select columns by matching pursuit on dense centred columns."""
    columns = columns - columns.mean(axis=0)
    codes = codes - codes.mean()
    enough = MIN_GAIN * (codes**2).sum()
    chosen, weights, residual = [], np.zeros(0), codes
    while len(chosen) < budget:
        gain = (columns.T @ residual) ** 2 / ((columns**2).sum(axis=0) + RIDGE)
        gain[chosen] = 0
        if gain.max() <= enough:
            break
        chosen.append(int(gain.argmax()))
        own = columns[:, chosen]
        weights = np.linalg.solve(own.T @ own + RIDGE * np.eye(len(chosen)), own.T @ codes)
        residual = codes - own @ weights
    return chosen, weights


def test_selection_agrees_with_pursuit_on_dense_columns():
    rng = np.random.default_rng(0)
    matrix = (rng.random((500, 30)) < 0.1).astype(float)
    codes = np.maximum(matrix[:, 3] + 0.5 * matrix[:, 7] * matrix[:, 9] + rng.normal(size=500), 0)
    no = np.zeros(30, dtype=bool)
    pursuit = Pursuit(scipy.sparse.csr_array(matrix), no, ~no)
    found = next(pursuit.select(scipy.sparse.csc_array(codes[:, None]), 12))
    chosen, weights = slow_pursuit(matrix, codes, 12)
    assert [one.columns for one in found] == [(i,) for i in chosen]
    assert [one.weight for one in found] == pytest.approx(weights.tolist(), rel=1e-6)
    spread = np.sqrt(500) * matrix.std(axis=0)[chosen]
    assert [one.importance for one in found] == pytest.approx(np.abs(weights) * spread, rel=1e-6)


def test_products_are_elementwise_and_stored_counts_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    matrix = (rng.random((3000, 12)) < 0.5) * rng.random((3000, 12))
    codes = np.stack([matrix[:, 0] * matrix[:, 5], matrix[:, 1] * matrix[:, 2]], axis=1)
    sparse = scipy.sparse.csr_array(matrix), np.arange(12) < 4, np.arange(12) >= 2

    def run():
        return list(Pursuit(*sparse).select(scipy.sparse.csc_array(codes), 1))

    found = run()
    assert [one.columns for (one,) in found] == [(0, 5), (1, 2)]
    # The ridge penalty shrinks a weight of 1 by 1 / (1 + variance * n).
    centred = codes - codes.mean(axis=0)
    for j, (one,) in enumerate(found):
        square = (centred[:, j] ** 2).sum()
        assert one.weight == pytest.approx(square / (square + RIDGE), rel=1e-6)
    monkeypatch.setattr("skdict.interpretation.explainers._pursuit.MANY_ROWS", 10**9)
    assert run() == found


@pytest.mark.parametrize("params", [{"n_types": 0}, {"n_near": -1}, {"budget": 1.5}])
def test_bad_parameters_are_named(params):
    vocabulary, _ = grouped_vocabulary()
    with pytest.raises((TypeError, ValueError), match=next(iter(params))):
        explain(np.ones(60), draw(vocabulary, 1, 0), **params)


def test_classes_in_terms_hold_on_unseen_members():
    vocabulary, group = grouped_vocabulary()
    train = draw(vocabulary, 10, 1)
    found = explain((group[train.token_ids] == 3).astype(float), train, budget=1)
    ((term, _),) = found.terms
    assert term.kind == "class"
    assert set(term.value) - set(train.token_ids.tolist())
