"""Absorption and splitting: planted shares, the rules one row at a time, and a model's words."""

import numpy as np
import pytest
import torch

from skdict import RandomDictionary, load_stories
from skdict.datasets import fetch_smollm2
from skdict.decomposition import IdentityDictionary
from skdict.evaluation import Absorption
from skdict.evaluation._absorption_rules import absorbed
from skdict.evaluation._spelling import spelling_rows
from tests.conftest import build
from tests.planted import HandBuilt, absorbing, orthonormal_features, true_codes, truth

ENDS = ("", "_low", "_high")
# Many rare children: one that raises F1 by more than 0.03 would count as a split feature.
HIERARCHY = {
    "n_features": 8,
    "n_components": 82,
    "n_active": 1.2,
    "decay": 1.0,
    "n_parents": 2,
    "children_per_parent": 40,
    "child_probability": 0.0125,
    "exclusive_children": True,
}


def parents(data):
    """Return where the two parents fire."""
    return {str(j): data.codes.toarray()[:, j] > 0 for j in range(2)}


@pytest.fixture(scope="module")
def data():
    return orthonormal_features(**HIERARCHY)


@pytest.fixture(scope="module")
def scorer(data):
    return Absorption(data.X, parents(data), directions=data.components[:2])


def test_the_truth_absorbs_nothing(data, scorer):
    measures = scorer.measure(truth(data))
    names = [name + end for name in ("absorption", "full_absorption") for end in ENDS]
    # A probe misses the rows on which the concept is weakest.
    assert 0.96 < measures.pop("main_f1") < 1
    assert measures == dict.fromkeys(names, 0) | {"split_features": 1, "n_concepts": 2}


@pytest.mark.parametrize("threshold", [0.0, 0.6])
def test_absorption_is_exactly_the_planted_share(data, scorer, threshold):
    dictionary, taken = absorbing(data, threshold)
    present = data.codes.toarray()[:, :2] > 0
    test = [scorer.rows.test[present[scorer.rows.test, j]] for j in range(2)]
    share = np.mean([taken[rows, j].mean() for j, rows in enumerate(test)])
    measures = scorer.measure(dictionary)
    assert 0.15 < share < 0.6
    assert measures["full_absorption"] == pytest.approx(share, abs=1e-12)
    assert measures["absorption"] == pytest.approx(share, abs=1e-12)
    assert scorer(dictionary) == measures["absorption"]


def test_the_interval_is_that_of_independent_groups(data, scorer):
    dictionary, taken = absorbing(data, 0.6)
    measures = scorer.measure(dictionary)
    errors = []
    for concept in scorer.concepts:
        share = taken[concept.rows, int(concept.problem.name)].mean()
        errors.append(share * (1 - share) / len(concept.rows))
    width = 2 * 1.96 * np.sqrt(np.sum(errors)) / len(errors)
    for name in ("absorption", "full_absorption"):
        low, value, high = (measures[name + end] for end in ("_low", "", "_high"))
        assert low < value < high
        assert high - low == pytest.approx(width, rel=0.15)


def test_rows_without_a_label_are_not_used(data, scorer):
    dictionary, _ = absorbing(data)
    kinds = {name: np.where(flags, "yes", "no") for name, flags in parents(data).items()}
    unknown = np.random.default_rng(0).random(len(data.X)) < 0.3
    labels = {name: np.where(unknown, "", kind) for name, kind in kinds.items()}
    some = Absorption(data.X, labels, directions=data.components[:2])
    assert not set(np.flatnonzero(unknown)) & set(np.concatenate([c.rows for c in some.concepts]))
    full = some.measure(dictionary)["full_absorption"]
    assert full == pytest.approx(scorer.measure(dictionary)["full_absorption"], abs=0.1)


def test_a_fitted_probe_finds_the_same(data, scorer):
    dictionary, _ = absorbing(data)
    probed = Absorption(data.X, parents(data))
    found, known = probed.measure(dictionary), scorer.measure(dictionary)
    assert found["full_absorption"] == pytest.approx(known["full_absorption"], abs=0.02)


def test_records_name_the_features(data, scorer):
    dictionary, _ = absorbing(data)
    for parent, record in enumerate(scorer.records(dictionary)):
        assert (record["concept"], record["main_features"]) == (str(parent), [parent])
        children = np.flatnonzero(data.parents == parent)
        # The sums follow the planted features, in the order of the children.
        assert set(record["absorbers"]) <= set(children - 2 + 82)


def test_two_halves_of_a_feature_are_a_split(data, scorer):
    def encode(X):
        codes = true_codes(data, X)
        high = codes[:, :2] > 0.5
        return np.hstack([codes[:, :2] * high, codes[:, :2] * ~high, codes[:, 2:]])

    halves = HandBuilt(np.concatenate([data.components[:2], data.components]), encode)
    measures = scorer.measure(halves)
    assert (measures["split_features"], measures["absorption"]) == (2, 0)


def variants(data):
    """Yield a name, a scorer and a dictionary that must score like the absorbing one."""
    dictionary, _ = absorbing(data)
    present = parents(data)
    m, d = dictionary.components.shape
    order = np.random.default_rng(0).permutation(m)
    same = Absorption(data.X, present)
    yield (
        "order",
        same,
        HandBuilt(dictionary.components[order], lambda X: dictionary.transform(X)[:, order]),
    )
    sizes = np.linspace(0.2, 5, m)
    yield (
        "lengths",
        same,
        HandBuilt(
            dictionary.components * sizes[:, None], lambda X: dictionary.transform(X) / sizes
        ),
    )
    yield "signs", same, HandBuilt(-dictionary.components, lambda X: -dictionary.transform(X))
    yield (
        "unit",
        Absorption(100 * data.X, present),
        HandBuilt(dictionary.components, lambda X: 100 * dictionary.transform(X / 100)),
    )
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((d, d)))[0]
    yield (
        "rotation",
        Absorption(data.X @ turn, present),
        HandBuilt(dictionary.components @ turn, lambda X: dictionary.transform(X @ turn.T)),
    )
    shift = np.full(d, 3.0)
    yield (
        "shift",
        Absorption(data.X + shift, present),
        HandBuilt(dictionary.components, lambda X: dictionary.transform(X - shift), shift),
    )


def test_invariances(data):
    dictionary, _ = absorbing(data)
    expected = Absorption(data.X, parents(data)).measure(dictionary)
    for name, scorer, variant in variants(data):
        assert scorer.measure(variant) == pytest.approx(expected, abs=0.005), name


def by_hand(c, cosines, q, p, main):
    """Return fraction and flag of one row, in the words of the publication."""
    top = int(np.argmax(q))
    others = [q[i] for i in range(len(q)) if i not in main and cosines[i] >= 0.1 and q[i] > 0]
    a, s = sum(sorted(others)[-3:]), sum(q[i] for i in main)
    full = all(c[i] < 1e-8 for i in main) and cosines[top] >= 0.025 and p > 0 and q[top] / p >= 0.4
    if p <= 0 or s >= p or a / p < 0.4:
        return 0.0, full
    return (1.0 if s <= 0 else min(a, p - s) / (min(a, p - s) + s)), full


def test_the_rules_one_row_at_a_time():
    rng = np.random.default_rng(0)
    codes = rng.exponential(size=(400, 12)) * (rng.random((400, 12)) < 0.4)
    cosines = rng.uniform(-0.3, 0.6, 12)
    cosines[[3, 7]] = 0.4, -0.1
    q = codes * cosines
    p = q.sum(axis=1) + rng.normal(0, 0.3, 400)
    fractions, full = absorbed(codes, cosines, q, p, [3, 7])
    expected = [by_hand(*row, [3, 7]) for row in zip(codes, [cosines] * 400, q, p, strict=True)]
    np.testing.assert_allclose(fractions, [f for f, _ in expected])
    assert full.tolist() == [bool(f) for _, f in expected]
    assert 0 < full.mean() < 1 and len(set(np.round(fractions, 6))) > 20


def test_rows_are_those_of_the_words_in_their_prompts(byte_tokenizer):
    model, options = build("llama"), {"n_words": 2, "n_examples": 1, "batch_size": 1}
    random = np.random.RandomState(0)
    spelled = spelling_rows((model, byte_tokenizer), "resid_post.1", rng=random, **options)
    assert [word.upper() for word in spelled.words] == spelled.letters.tolist()
    for word, other, row in zip(spelled.words, spelled.words[::-1], spelled.rows, strict=True):
        prompt = f"{other} has the first letter: {other.upper()}\n{word}"
        with torch.no_grad():
            ids = torch.tensor([byte_tokenizer(prompt)["input_ids"]])
            hidden = model(ids, output_hidden_states=True).hidden_states[2]
        np.testing.assert_allclose(row, hidden[0, -1], rtol=1e-4, atol=1e-5)


def test_every_word_is_read_once_after_examples(byte_tokenizer):
    pair = build("llama"), byte_tokenizer
    options = {"n_words": 20, "n_examples": 1, "batch_size": 4}
    rows = [
        spelling_rows(pair, "resid_post.1", rng=np.random.RandomState(0), **options)
        for _ in range(2)
    ]
    assert len(set(rows[0].words)) == len(rows[0].rows) == 20
    np.testing.assert_array_equal(rows[0].rows, rows[1].rows)


def test_letters_of_a_real_model():
    model, options = load_stories().model, {"n_words": 400, "n_examples": 1, "min_f1": 0.2}
    scorer = Absorption.from_model(model, "resid_post.1", min_concepts=3, **options)
    measures = scorer.measure(IdentityDictionary().fit(scorer.rows.X))
    assert measures["n_concepts"] >= 3
    letters = {problem.name.removeprefix("letter=") for problem in scorer.rows.problems}
    assert letters <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert 0 <= measures["absorption"] <= 1


@pytest.mark.slow
def test_smollm2_knows_first_letters():
    try:
        model = fetch_smollm2(download_if_missing=False).model
    except (OSError, ImportError) as error:
        pytest.skip(f"SmolLM2 is not installed: {error}")
    scorer = Absorption.from_model(model, "resid_post.9", n_words=2000, min_concepts=18)
    neurons = IdentityDictionary().fit(scorer.rows.X)
    random = RandomDictionary(1000, random_state=0).fit(scorer.rows.X)
    found, chance = scorer.measure(neurons), scorer.measure(random)
    assert found["main_f1"] > chance["main_f1"]
    assert found["absorption"] > 0.05 > chance["absorption"]


def test_concepts_without_a_probe_are_not_measured(data):
    noise = np.random.default_rng(0).random((3, len(data.X))) < 0.1
    labels = parents(data) | dict(zip("abc", noise, strict=True))
    assert [c.problem.name for c in Absorption(data.X, labels).concepts] == ["0", "1"]
    with pytest.raises(ValueError, match="2 of 5 concepts have a probe with an F1 of at least 0.6"):
        Absorption(data.X, labels, min_concepts=3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1],), r"labels\['label'\] has 2 entries but X has 4 rows"),
        ((np.eye(4),), r"labels\['label'\] has shape \(4, 4\); pass a one-dimensional"),
        (([0, 0, 1, 1], [0, 1]), "groups has 2 entries but X has 4 rows"),
    ],
)
def test_labels_fit_the_rows(arguments, message):
    labels, *groups = arguments
    with pytest.raises(ValueError, match=message):
        Absorption(np.eye(4), labels, groups=groups[0] if groups else None)


def test_directions_and_dictionaries_fit_the_rows(data, scorer):
    with pytest.raises(ValueError, match=r"directions has shape \(2, 3\)"):
        Absorption(data.X, parents(data), directions=np.ones((2, 3)))
    with pytest.raises(ValueError, match="fitted on rows of width 3"):
        scorer.measure(IdentityDictionary().fit(np.eye(3)))


def test_prompts_fit_into_the_context(byte_tokenizer):
    with pytest.raises(ValueError, match="do not fit into the 64 tokens"):
        Absorption.from_model((build("llama"), byte_tokenizer), "resid_post.1")


def test_a_dictionary_without_main_features_has_no_score(data, scorer):
    dead = HandBuilt(data.components, lambda X: np.zeros((len(X), 82)))
    measures = scorer.measure(dead)
    assert np.isnan(measures["absorption"])
    assert measures["n_concepts"] == 0
