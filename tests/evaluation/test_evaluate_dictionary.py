"""One table: the numbers of each measure by itself, measured once, and what was not measured."""

import json

import numpy as np
import pytest
from sklearn.decomposition import PCA

from skdict import ActivationExtractor, RandomDictionary, load_stories
from skdict.datasets import label_tokens
from skdict.decomposition import IdentityDictionary
from skdict.evaluation import (
    Evaluation,
    ProbePerturbation,
    evaluate_dictionary,
    loss_recovered,
)
from skdict.evaluation.parts import _parts, _sources
from skdict.evaluation.parts._stability import stability
from skdict.feature_extraction._extraction import Reading
from skdict.metrics import SparseProbing, compare_dictionaries

pytestmark = pytest.mark.filterwarnings("ignore:.*not probed because of fewer than 20 samples")

POINT = "resid_post.1"
STORIES = load_stories()
TEXTS = STORIES.texts[1200:1280]
NUMBERS = {"hook_point": POINT, "n_tokens": 3000, "n_loss_tokens": 300}
QUICK = NUMBERS | {"skip": ["loss", "probing", "absorption", "perturbation"]}


@pytest.fixture(scope="module")
def acts():
    acts = ActivationExtractor(STORIES.model, POINT, batch_size=8).fit_transform(TEXTS)
    last = acts.documents[2999]
    return acts[acts.documents <= last]


@pytest.fixture(scope="module")
def methods(acts):
    return {
        "random": RandomDictionary(64, random_state=0).fit(acts),
        "pca": PCA(24).fit(np.asarray(acts)),
    }


@pytest.fixture(scope="module")
def evaluation(methods):
    with pytest.warns(UserWarning, match="absorption could not be measured: 0 of 26 concepts"):
        return evaluate_dictionary(methods, STORIES.model, TEXTS, **NUMBERS)


def test_the_rows_are_whole_texts_up_to_the_number_of_tokens(evaluation, acts):
    assert evaluation.counts["n_tokens"] == len(acts) >= 3000
    assert evaluation.counts["n_documents"] == acts.documents[-1] + 1 < len(TEXTS)
    assert 3000 - 256 < (acts.documents < acts.documents[-1]).sum() < 3000


def test_the_numbers_are_those_of_each_measure_by_itself(evaluation, methods, acts):
    alone = compare_dictionaries(methods, None, acts)
    (seed,) = np.random.RandomState(0).randint(np.iinfo(np.int32).max, size=1)
    probing = SparseProbing(label_tokens, random_state=seed)
    labels = {"part_of_speech": label_tokens(acts).labels["part_of_speech"]}
    perturbed = ProbePerturbation(acts, labels, random_state=seed)
    texts = TEXTS[: acts.documents[299] + 1]
    lost = loss_recovered(STORIES.model, POINT, methods, texts)
    for name, method in methods.items():
        record = evaluation.table[name]
        due = alone[name] | probing.measure(method, acts) | perturbed.measure(method)
        due |= {key: lost[name][key] for key in ("cross_entropy_increase", "loss_recovered_mean")}
        assert due.pop("n_probed") == evaluation.counts["n_probed_classes"]
        assert due.pop("dictionary") == name
        # Rows are read in shards here, which moves the last bits.
        for key in due:
            assert record[key] == pytest.approx(due[key], rel=1e-3, abs=0.01), key
    assert evaluation.counts["n_predicted_tokens"] == lost["pca"].n_tokens
    assert evaluation.counts["n_perturbed_classes"] == 9


def test_the_numbers_tell_dictionaries_apart(evaluation):
    random, pca = evaluation.table["random"], evaluation.table["pca"]
    assert pca["fvu"] < random["fvu"]
    assert pca["cross_entropy_increase"] < random["cross_entropy_increase"]
    for name in ("probing_1", "tpp_5"):
        assert pca[name] > random[name + "_high"]


def test_every_measure_is_shown_and_explained(evaluation):
    content = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert content["dictionaries"] == ["random", "pca"]
    for measure in content["measures"]:
        assert measure["about"]
        assert len(measure["values"]) == 2
        record = evaluation.table["pca"]
        assert measure["values"][1]["value"] == record[measure["name"]]
    shown = evaluation.to_markdown()
    assert shown == str(evaluation)
    assert "| measure | random | pca | what it says |" in shown
    for part in ("reconstruction", "loss", "probing", "perturbation"):
        assert f"| **{part}** |" in shown
        assert f"{part} {evaluation.seconds[part]:.1f} s" in shown
    assert "- Left out: absorption. 0 of 26 concepts" in shown
    assert f"{evaluation.counts['n_tokens']:,} tokens" in shown


class Counting:
    """A scorer that counts its calls and may be interrupted."""

    def __init__(self, interrupted_at=None):
        self.n_calls, self.interrupted_at = 0, interrupted_at

    def __call__(self, dictionary, X):
        if self.n_calls == self.interrupted_at:
            raise KeyboardInterrupt
        self.n_calls += 1
        return float(np.abs(np.asarray(dictionary.components_)).sum())


def test_an_interrupted_evaluation_continues(methods, tmp_path, monkeypatch):
    whole = evaluate_dictionary(methods, STORIES.model, TEXTS, scorers=[Counting()], **QUICK)
    first, second = Counting(interrupted_at=1), Counting()
    with pytest.raises(KeyboardInterrupt):
        evaluate_dictionary(
            methods, STORIES.model, TEXTS, scorers=[first], folder=tmp_path, **QUICK
        )
    assert not (tmp_path / "evaluation.json").exists()
    monkeypatch.setattr(Reading, "run", None)
    monkeypatch.setattr(_parts, "measure_dictionary", None)
    resumed = evaluate_dictionary(
        methods, STORIES.model, TEXTS, scorers=[second], folder=tmp_path, **QUICK
    )
    assert (first.n_calls, second.n_calls) == (1, 1)
    assert resumed.table.records == whole.table.records
    assert json.loads((tmp_path / "evaluation.json").read_text()) == resumed.to_dict()
    assert (tmp_path / "evaluation.md").read_text() == resumed.to_markdown()
    assert resumed.seconds["activations"] > 0.01


def test_one_more_dictionary_measures_only_it(methods, tmp_path):
    scorer, options = Counting(), QUICK | {"folder": tmp_path}
    evaluate_dictionary(methods, STORIES.model, TEXTS, scorers=[scorer], **options)
    more = methods | {"neurons": IdentityDictionary().fit(np.zeros((2, 128)))}
    table = evaluate_dictionary(more, STORIES.model, TEXTS, scorers=[scorer], **options).table
    assert scorer.n_calls == 3
    assert table["neurons"]["fvu"] == pytest.approx(0, abs=1e-9)
    # Same name, other directions: not the same dictionary.
    other = {"pca": RandomDictionary(24, random_state=5).fit(np.ones((2, 128)))}
    evaluate_dictionary(other, STORIES.model, TEXTS, scorers=[scorer], **options)
    assert scorer.n_calls == 4


def test_interrupted_reading_continues(methods, tmp_path, monkeypatch):
    monkeypatch.setattr(_sources, "TEXTS_PER_SHARD", 5)
    whole = evaluate_dictionary(methods, STORIES.model, TEXTS, **QUICK)
    run, starts = Reading.run, []

    def interrupted(self, texts, first_document=0):
        starts.append(first_document)
        if len(starts) == 3:
            raise KeyboardInterrupt
        return run(self, texts, first_document=first_document)

    monkeypatch.setattr(Reading, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate_dictionary(methods, STORIES.model, TEXTS, folder=tmp_path, **QUICK)
    resumed = evaluate_dictionary(methods, STORIES.model, TEXTS, folder=tmp_path, **QUICK)
    assert starts[:4] == [0, 5, 10, 10]
    assert resumed.table.records == whole.table.records


def test_other_texts_need_another_folder(methods, tmp_path):
    evaluate_dictionary(methods, STORIES.model, TEXTS, folder=tmp_path, **QUICK)
    with pytest.raises(ValueError, match="texts_sha256"):
        evaluate_dictionary(methods, STORIES.model, TEXTS[1:], folder=tmp_path, **QUICK)


def test_several_fits_give_means_intervals_and_stability(methods, acts):
    fits = [RandomDictionary(64, random_state=seed).fit(acts) for seed in range(3)]
    same = [methods["pca"], methods["pca"]]
    evaluation = evaluate_dictionary(
        {"random": fits, "pca": same, "one": methods["pca"]}, STORIES.model, TEXTS, **QUICK
    )
    table = evaluation.table
    alone = [compare_dictionaries({"it": fit}, None, acts)["it"]["fvu"] for fit in fits]
    assert table["random"]["fvu"] == pytest.approx(np.mean(alone), rel=1e-3)
    half = 4.302653 * np.std(alone, ddof=1) / np.sqrt(3)
    assert table["random"]["fvu_high"] == pytest.approx(np.mean(alone) + half, rel=1e-3)
    assert table["pca"]["fvu"] == table["one"]["fvu"]
    assert "fvu_low" not in table["pca"]
    assert table["pca"]["stability"] == pytest.approx(1)
    assert table["random"]["stability"] == pytest.approx(
        table["random"]["stability_random"], abs=0.02
    )
    assert np.isnan(table["one"]["stability"])
    assert [len(runs) for runs in table.runs] == [3, 2, 1]
    assert "Means over fits." in str(evaluation)


def test_stability_does_not_depend_on_order_or_sign(methods):
    pca, flipped = methods["pca"], PCA(24)
    flipped.__dict__ |= pca.__dict__ | {"components_": -pca.components_[::-1]}
    both = stability([pca, flipped], np.random.RandomState(0))
    assert both["stability"] == pytest.approx(1)
    assert both["stability_random"] < 0.5


def test_labels_are_made_for_a_limited_number_of_tokens(methods, monkeypatch):
    monkeypatch.setattr(_parts, "MOST_LABELLED", 1500)
    seen = []

    def labels(rows):
        seen.append(len(rows))
        return label_tokens(rows)

    skip = ["loss", "absorption"]
    result = evaluate_dictionary(
        methods, STORIES.model, TEXTS, labels=labels, **NUMBERS | {"skip": skip}
    )
    assert set(seen) == {result.counts["n_labelled_tokens"]}
    assert 1500 <= seen[0] < 1756


def test_scorers_are_parts(methods):
    scorers = {"size": Counting(), "other": Counting()}
    evaluation = evaluate_dictionary(
        methods, STORIES.model, TEXTS, scorers=scorers, **QUICK | {"skip": [*QUICK["skip"], "size"]}
    )
    assert evaluation.parts["other"] == ["other"]
    assert evaluation.left_out["size"] == "Skipped."
    assert scorers["size"].n_calls == 0
    assert "| `other` |" in str(evaluation)


def test_the_hook_point_of_a_loaded_dictionary_is_known(methods):
    loaded = RandomDictionary(64, random_state=0).fit(np.zeros((2, 128)))
    loaded.metadata_ = {"hook_point": POINT}
    options = {name: value for name, value in QUICK.items() if name != "hook_point"}
    evaluation = evaluate_dictionary(loaded, STORIES.model, TEXTS, **options)
    assert isinstance(evaluation, Evaluation)
    assert evaluation.settings["hook_point"] == POINT
    assert evaluation.settings["model"] == STORIES.model
    assert [record["dictionary"] for record in evaluation.table.records] == ["dictionary"]
    with pytest.raises(ValueError, match=r"hook points None, resid_post.1; pass hook_point"):
        evaluate_dictionary(methods | {"loaded": loaded}, STORIES.model, TEXTS, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"skip": ["recall"]}, ValueError, "skip has 'recall'; accepted are reconstruction, loss"),
        ({"n_tokens": 0}, ValueError, "n_tokens"),
        ({"labels": ["noun"]}, TypeError, "pass a function from activations to labels"),
        ({"scorers": [3]}, TypeError, "3 is not a scorer"),
        ({"dictionary": {}}, ValueError, "has no dictionary"),
        ({"dictionary": {"a": []}}, ValueError, "'a' has an empty list of fits"),
        ({"dictionary": 3}, TypeError, "has no components_"),
        ({"hook_point": "mlp_act.1"}, ValueError, "fitted on rows of width 128 but 'mlp_act.1'"),
        ({"texts": "one text"}, TypeError, "list"),
    ],
)
def test_wrong_parameters(methods, options, error, message):
    given = {"dictionary": methods, "model": STORIES.model, "texts": TEXTS} | QUICK | options
    with pytest.raises(error, match=message):
        evaluate_dictionary(**given)


def test_if_no_part_can_be_measured_the_reason_is_raised(methods):
    options = {"skip": ["reconstruction", "loss", "absorption", "perturbation"]}
    with (
        pytest.warns(UserWarning, match="probing could not be measured"),
        pytest.raises(ValueError, match="no part could be measured; the first says: .* documents"),
    ):
        evaluate_dictionary(methods, STORIES.model, TEXTS[:4], **NUMBERS | options)
