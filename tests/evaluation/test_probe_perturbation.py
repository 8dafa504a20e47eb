"""TPP and SCR: total and none where they must be, and the same on rows as in the model."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skdict import Activations, RandomDictionary
from skdict.decomposition import IdentityDictionary, dictionary_atoms, to_torch
from skdict.evaluation import ProbePerturbation
from skdict.evaluation._positive_features import PositiveFeatures
from tests.conftest import build
from tests.dictionaries import dense
from tests.planted import HandBuilt
from tests.tiny_tokenizers import tiny_tokenizer

TEXTS = [f"{first} {second} {third}" for first in "abc" for second in "defgh" for third in "ijk"]
KINDS = np.repeat(["a", "b", "c"], 15)
SIZES = (1, 3)


def neurons(X):
    return IdentityDictionary().fit(X)


@pytest.fixture(scope="module")
def classes():
    """Rows of three classes along the first axes, and noise of both signs along the others."""
    rng = np.random.default_rng(0)
    half = 150
    labels = np.tile(np.arange(half) % 3, 2)
    noise = rng.standard_normal((half, 3))
    rows = np.hstack([np.eye(3)[labels], np.concatenate([noise, -noise])])
    # A row and its mirror image are in the same part, so that no probe weighs the noise.
    return rows, labels, np.tile(np.arange(half), 2)


def test_features_that_are_the_classes_are_total(classes):
    rows, labels, groups = classes
    scorer = ProbePerturbation(rows, labels, groups=groups, n_ablated=[1])
    drops = scorer.drops(neurons(rows))
    np.testing.assert_allclose(drops[0], np.eye(3) / 2, atol=1e-12)
    assert scorer.measure(neurons(rows)) == dict.fromkeys(["tpp_1", "tpp_1_low", "tpp_1_high"], 0.5)
    assert scorer(neurons(rows)) == 0.5


def test_features_that_no_probe_uses_change_nothing(classes):
    rows, labels, groups = classes
    unused = HandBuilt(np.eye(6)[3:], lambda X: X[:, 3:])
    scorer = ProbePerturbation(rows, labels, groups=groups, n_ablated=[1, 3])
    assert set(scorer.measure(unused).values()) == {0}


def test_a_feature_of_two_classes_is_not_targeted(classes):
    rows, labels, groups = classes
    directions = np.array([[1.0, 1, 0, 0, 0, 0], [0, 0, 1, 0, 0, 0]])
    shared = HandBuilt(directions, lambda X: np.maximum(X @ directions.T, 0))
    scorer = ProbePerturbation(rows, labels, groups=groups, n_ablated=[1])
    own, others = scorer.drops(shared)[0][0, 0], scorer.drops(shared)[0][0, 1]
    assert own == pytest.approx(others)
    assert scorer.measure(shared)["tpp_1"] < 0.5


def test_classes_may_overlap():
    flags = np.random.default_rng(0).random((400, 2)) < 0.5
    rows, labels = flags.astype(float), {"a": flags[:, 0], "b": flags[:, 1]}
    drops = ProbePerturbation(rows, labels, n_ablated=[1]).drops(neurons(rows))
    np.testing.assert_allclose(drops[0], np.eye(2) / 2, atol=1e-12)


def test_order_length_and_sign_do_not_matter(classes):
    rows, labels, groups = classes
    scorer = ProbePerturbation(rows + 0.3 * rows[:, ::-1], labels, groups=groups, n_ablated=[1, 2])
    random = RandomDictionary(12, random_state=0).fit(rows)
    order = np.random.default_rng(1).permutation(12)
    factors = np.where(order % 2, -2.0, 0.5)
    directions = dictionary_atoms(random)[order] * factors[:, None]
    same = HandBuilt(directions, lambda X: dense(random.transform(X))[:, order] / factors)
    np.testing.assert_allclose(scorer.drops(same), scorer.drops(random), atol=1e-9)


def test_means_of_documents_are_rows(classes):
    rows, labels, _ = classes
    documents = np.repeat(np.arange(len(rows)), 2)
    halves = np.repeat(rows, 2, axis=0) + np.tile([[0.5], [-0.5]], (len(rows), 1))
    places = {"positions": np.tile([0, 1], len(rows)), "token_ids": np.zeros(len(documents), int)}
    acts = Activations(halves, documents=documents, **places)
    pooled = ProbePerturbation(acts, labels, per_document=True, n_ablated=[1])
    alone = ProbePerturbation(rows, labels, n_ablated=[1])
    np.testing.assert_allclose(pooled.units.means, alone.units.means)
    # Positive codes that are linear in the rows: their mean is the code of the mean row.
    linear = HandBuilt(np.eye(6), lambda X: X + 10, offset=-10.0)
    np.testing.assert_allclose(pooled.drops(linear), alone.drops(linear), atol=1e-9)


def test_the_interval_is_that_of_independent_rows():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 3000)
    rows = np.eye(3)[labels] + 0.5 * rng.standard_normal((3000, 3))
    measures = ProbePerturbation(rows, labels, n_ablated=[1], test_size=0.5).measure(neurons(rows))
    low, value, high = (measures["tpp_1" + end] for end in ("_low", "", "_high"))
    assert low < value < high
    seeds = range(12)
    others = [
        ProbePerturbation(rows, labels, n_ablated=[1], test_size=0.5, random_state=seed)
        for seed in seeds
    ]
    spread = np.std([scorer(neurons(rows)) for scorer in others], ddof=1)
    # Splits of the same rows vary a little less than new rows would.
    assert 1.5 * spread < high - low < 8 * spread


def test_rows_without_a_label_and_more_than_the_maximum_are_left_out(classes):
    rows, labels, _ = classes
    words = np.array(["a", "b", "c"])[labels]
    words[::5] = ""
    scorer = ProbePerturbation(rows, words, n_ablated=[1], max_samples=50)
    assert len(scorer.units.train) == 50
    assert len(scorer.units.test) == 48
    assert scorer.units.names == ["label=a", "label=b", "label=c"]
    kept = {tuple(row) for row in scorer.units.X}
    assert not kept & {tuple(row) for row in rows[::5]}


@pytest.fixture(scope="module")
def attributes():
    """Rows of a class and a stronger spurious attribute, along axes of their own."""
    truth, attribute = np.divmod(np.arange(400) % 4, 2)
    rows = np.column_stack([2 * (2 * truth - 1), 3 * (2 * attribute - 1)]).astype(float)
    return rows, truth, attribute


def test_ablating_the_spurious_attribute_repairs_the_probe(attributes):
    rows, truth, attribute = attributes
    scorer = ProbePerturbation(rows, truth, spurious=attribute, n_ablated=[1, 2])
    # One sign of the attribute repairs half of the rows, both signs repair all.
    measures = scorer.measure(neurons(rows))
    assert (measures["scr_1"], measures["scr_2"]) == pytest.approx((0.5, 1))
    # All rows of a combination are alike, so no choice of test rows changes anything.
    assert measures["scr_1_low"] == measures["scr_1_high"] == pytest.approx(0.5)
    assert scorer(neurons(rows)) == pytest.approx(0.75)


def test_an_attribute_that_leaves_no_trace_has_no_score(attributes):
    rows, truth, attribute = attributes
    without = np.column_stack([rows[:, 0], rows[:, 0]])
    scorer = ProbePerturbation(without, truth, spurious=attribute, n_ablated=[1])
    assert np.isnan(scorer.measure(neurons(without))["scr_1"])


@pytest.fixture(scope="module")
def pair():
    return build("llama"), tiny_tokenizer("cls_sep")


def in_model(pair, **options):
    return ProbePerturbation.from_model(
        pair, "resid_post.0", TEXTS, KINDS, n_ablated=SIZES, test_size=0.4, **options
    )


def test_the_model_agrees_with_rows_at_the_same_hook_point(pair):
    rows, model = in_model(pair), in_model(pair, read_at="resid_post.0", batch_size=4)
    for dictionary in (PCA(8), RandomDictionary(20, random_state=0)):
        dictionary.fit(rows.units.X)
        np.testing.assert_allclose(model.drops(dictionary), rows.drops(dictionary), atol=1e-6)


class FirstColumn:
    """A probe that returns the first entry of each mean row."""

    def scores(self, means):
        return means[:, 0]


def first_column(model, tokenizer, text):
    """Return the first entry of the mean row of a text after the second block."""
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.no_grad():
        hidden = model(ids, output_hidden_states=True).hidden_states[2]
    return float(hidden[0, 1:-1].mean(dim=0)[0])


def test_later_probes_read_the_edited_run(pair):
    scorer = in_model(pair, read_at="resid_post.1")
    dictionary = RandomDictionary(20, random_state=0).fit(scorer.units.X)
    ablated = np.array([3, 7])
    got = scorer._reader.scores([FirstColumn()], PositiveFeatures(dictionary, 16), [ablated])
    model, tokenizer = pair
    frozen = to_torch(dictionary, device="cpu")

    def hook(module, args, output):
        codes = frozen.encode(output)
        change = codes[..., ablated] @ frozen.components[ablated]
        change[:, [0, -1]] = 0
        return output - change

    handle = model.model.layers[0].register_forward_hook(hook)
    edited = [first_column(model, tokenizer, TEXTS[text]) for text in scorer.units.test]
    handle.remove()
    clean = [first_column(model, tokenizer, TEXTS[text]) for text in scorer.units.test]
    np.testing.assert_allclose(got[0][:, 0], clean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(got[1][:, 0], edited, rtol=1e-4, atol=1e-6)
    assert np.abs(np.subtract(clean, edited)).max() > 1e-3


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (np.arange(40) % 2, {}, "labels distinguish 1 class from the rest"),
        (np.arange(40) % 3, {"spurious": np.arange(40) % 2}, "labels have 3 binary problems"),
        (np.arange(40) % 2, {"spurious": np.arange(40)}, "and spurious has 40"),
        (np.arange(40) % 2, {"spurious": np.arange(40) % 2}, "combination of class and attribute"),
        (np.arange(40), {}, "some class or some combination"),
        ({"a": [""] * 40, "b": ["x", "y"] * 20}, {}, "labels distinguish 1 class"),
        (["", "x", "y", "z"] + [""] * 36, {"max_samples": 1}, "max_samples"),
        (np.arange(40) % 3, {"per_document": True}, "ndarray has no documents"),
        (np.arange(40) % 3, {"n_ablated": [2, 2]}, "is empty or has duplicates"),
        (np.arange(40) % 3, {"n_ablated": []}, "is empty or has duplicates"),
        (np.arange(30) % 3, {}, r"labels\['label'\] has 30 entries but X has 40 rows"),
    ],
)
def test_errors_say_what_to_pass(labels, options, message):
    rows = np.random.default_rng(0).standard_normal((40, 4))
    with pytest.raises(ValueError, match=message):
        ProbePerturbation(rows, labels, **options)


def test_texts_and_labels_agree(pair):
    with pytest.raises(ValueError, match="has 3 entries but X has document 44"):
        ProbePerturbation.from_model(pair, "resid_post.0", TEXTS, [0, 1, 2])


def test_texts_without_a_token_to_read_are_left_out(pair):
    texts, kinds = ["<s>", *TEXTS], ["a", *KINDS]
    for read_at in (None, "resid_post.1"):
        scorer = ProbePerturbation.from_model(
            pair, "resid_post.0", texts, kinds, n_ablated=SIZES, test_size=0.4, read_at=read_at
        )
        assert scorer.units.documents.tolist() == list(range(1, 46))
        assert np.isfinite(scorer(RandomDictionary(20, random_state=0).fit(scorer.units.X)))
