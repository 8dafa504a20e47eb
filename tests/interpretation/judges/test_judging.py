"""Judges are asked about every window once; measures have known answers; records replay exactly."""

import json

import numpy as np
import pytest
import scipy.sparse
from sklearn.exceptions import NotFittedError

from skdict.inspection import Record
from skdict.inspection.evidence import TokenBlock
from skdict.interpretation import (
    EmbeddingJudge,
    LexiconExplainer,
    RecordedJudge,
    SimulatorJudge,
    Window,
)
from skdict.interpretation.judges import ask_judge, judgment_measures
from skdict.interpretation.judges._marks import right_marks, wrong_marks


class Oracle:
    """Says what is true of the windows it knows, and remembers how many it was shown."""

    def __init__(self, truth):
        self.truth, self.shown = truth, []

    def judge(self, explanation, windows):
        self.shown.append(len(windows))
        return [self.truth[str(window)] for window in windows]


def windows(n):
    return [Window.from_text(f"text {i}") for i in range(n)]


def test_a_short_last_batch_is_kept():
    shown = windows(13)
    truth = {str(window): i / 13 for i, window in enumerate(shown)}
    oracle = Oracle(truth)
    said = ask_judge(oracle, "anything", shown, n_shown=5)
    assert oracle.shown == [5, 5, 3]
    np.testing.assert_array_equal(said, list(truth.values()))


@pytest.mark.parametrize("given", [[0.5, 0.5], [0.5, 0.5, 2.0], [0.5, 0.5, -0.1], 0.5])
def test_judges_that_say_something_else_are_refused(given):
    class Other:
        def judge(self, explanation, windows):
            return given

    with pytest.raises(ValueError, match="3 numbers from 0 to 1"):
        ask_judge(Other(), "anything", windows(3))


@pytest.mark.parametrize(
    ("said", "balanced", "f1", "auroc"),
    [
        ([1, 1, 1, 0, 0, 0], 1.0, 1.0, 1.0),
        ([1, 1, 1, 1, 1, 1], 0.5, 2 / 3, 0.5),
        ([0, 0, 0, 0, 0, 0], 0.5, 0.0, 0.5),
        ([0, 0, 0, 1, 1, 1], 0.0, 0.0, 0.0),
        ([0.4, 0.4, 0.9, 0.1, 0.1, 0.1], 2 / 3, 0.5, 1.0),
    ],
)
def test_known_answers(said, balanced, f1, auroc):
    labels = [True] * 3 + [False] * 3
    measures = judgment_measures(labels, said)
    expected = {"balanced_accuracy": balanced, "f1": f1, "auroc": auroc, "n_failed": 0}
    assert measures == pytest.approx(expected)


def test_windows_without_a_verdict_are_counted_and_left_out():
    measures = judgment_measures([True, True, False, False], [1, np.nan, 0, np.nan])
    assert measures == {"balanced_accuracy": 1.0, "f1": 1.0, "auroc": 1.0, "n_failed": 2}
    nothing = judgment_measures([True, False], [np.nan, np.nan])
    assert np.isnan(nothing["balanced_accuracy"])
    assert nothing["n_failed"] == 2


def test_corpus_weights_give_the_measures_of_the_whole_corpus():
    """A tenth of silent windows drawn, weighted back: as if all had been judged."""
    rng = np.random.default_rng(0)
    labels = rng.random(40_000) < 0.05
    said = np.clip(
        np.where(labels, rng.normal(0.6, 0.2, 40_000), rng.normal(0.3, 0.2, 40_000)), 0, 1
    )
    whole = judgment_measures(labels, said, prevalence=labels.mean())
    kept = labels | (rng.random(40_000) < 0.1)
    drawn = judgment_measures(labels[kept], said[kept], prevalence=labels.mean())
    yes = said >= 0.5
    assert whole["corpus_f1"] == pytest.approx(
        2 * (labels & yes).sum() / (labels.sum() + yes.sum())
    )
    assert whole["corpus_correlation"] == pytest.approx(np.corrcoef(labels, said)[0, 1])
    for name in ("corpus_f1", "corpus_average_precision", "corpus_correlation"):
        assert drawn[name] == pytest.approx(whole[name], abs=0.02)
    assert judgment_measures(labels[kept], said[kept])["f1"] > drawn["corpus_f1"] + 0.1


def test_marks_of_windows_survive_text():
    window = Window.from_text("see<< New York>>, then<< go>>")
    assert str(window) == "see<< New York>>, then<< go>>"
    assert window.marked.tolist() == [False, True, True, False, False, True]
    assert str(window.without_marks()) == "see New York, then go"
    assert Window.from_text("plain text").marked is None
    record = Record(0, 3, np.array([1, 0]), np.array([0.0, 2.0]))
    assert str(Window.of(record, [" b", "a"], record.codes > 0)) == "a<< b>>"
    assert Window.of(record, None).pieces == (" 1", " 0")


def test_right_and_wrong_marks():
    codes = np.array([0.0, 1.0, 0.29, 0.3, 0.0, 0.0])
    assert right_marks(codes).tolist() == [False, True, False, True, False, False]
    rng = np.random.default_rng(0)
    for n in (2, 9):
        wrong = wrong_marks(codes, n, rng)
        assert wrong.sum() == min(n, 3)
        assert not wrong[1:4].any()


@pytest.fixture(scope="module")
def lexicon():
    """A feature of two words, one of them stronger, and its judge."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 8, 4000)
    tokens = TokenBlock(np.arange(4000) // 20, np.arange(4000) % 20, ids, list("abcdefgh"))
    codes = scipy.sparse.csc_array(((ids == 3) * 2.0 + (ids == 5))[:, None])
    explanations = LexiconExplainer().explain(codes, tokens)
    return explanations, SimulatorJudge().fit(explanations, codes, tokens)


def test_the_simulator_judge_reads_the_tokens(lexicon):
    explanations, judge = lexicon
    ids = [np.array(i) for i in ([0, 3], [0, 5], [0, 1], [6, 7])]
    shown = [Window(tuple("abcdefgh"[i] for i in row), None, row) for row in ids]
    said = judge.judge(explanations[0], shown)
    assert (said >= 0.5).tolist() == [True, True, False, False]
    assert said[0] > said[1]
    first = np.array([True, False])
    marked = [
        Window(w.pieces, mark, w.token_ids)
        for w, mark in zip(shown, [~first, first] * 2, strict=True)
    ]
    assert (judge.judge(explanations[0], marked) >= 0.5).tolist() == [True, False, False, False]


def test_the_simulator_judge_does_not_know_what_it_was_not_told(lexicon):
    explanations, judge = lexicon
    with pytest.raises(TypeError, match="token_ids"):
        judge.judge(explanations[0], [Window.from_text("d")])
    with pytest.raises(TypeError, match="explanation is str"):
        judge.judge("fires on d", [])
    with pytest.raises(NotFittedError):
        SimulatorJudge().judge(explanations[0], [])


def test_the_embedding_judge_takes_any_encoder():
    def encoder(texts):
        return np.array([[text.count("cat"), text.count("dog"), 0.1] for text in texts])

    shown = [Window.from_text(text) for text in ("a cat cat", "dog dog", "cat dog")]
    said = EmbeddingJudge(encoder, threshold=0.5).judge("cat", shown)
    assert said[0] > said[2] > said[1]
    assert (said >= 0.5).tolist() == [True, False, True]
    # Without an explanation: the one unlike the others.
    belongs = EmbeddingJudge(encoder).judge(None, [*shown[:1], *shown[:1], shown[1]])
    assert belongs.argmin() == 2


def test_the_embedding_judge_may_look_at_marks_alone():
    shown = [
        Window.from_text(t) for t in ("the<< cat>> ran", "the<< cats>> sat", "<<the>> cat ran")
    ]
    said = EmbeddingJudge(part="marked").judge(None, shown)
    assert said.argmin() == 2


def test_wrong_encoders_are_refused():
    shown = windows(2)
    with pytest.raises(TypeError, match="pass a callable"):
        EmbeddingJudge("encoder").judge("cat", shown)
    with pytest.raises(ValueError, match=r"shape \(1, 2\) for 3 texts"):
        EmbeddingJudge(lambda texts: np.ones((1, 2))).judge("cat", shown)
    with pytest.raises(ValueError, match="part="):
        EmbeddingJudge(part="all").judge("cat", shown)


def test_recorded_judgments_of_a_language_model_are_reproduced(shared_data):
    """All 237 features, 70 windows of detection and 70 of fuzzing each, to the last bit."""
    path = shared_data / "autointerp" / "gpt2-sae-explanations.jsonl"
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(records) == 237
    for record in records:
        for task in ("detection", "fuzzing"):
            items = record[task]
            shown = [Window.from_text(item["text"]) for item in items]
            said = record["explanation"]
            judge = RecordedJudge({(said, item["text"]): item["judged_active"] for item in items})
            verdicts = ask_judge(judge, said, shown)
            measures = judgment_measures([item["active"] for item in items], verdicts)
            assert measures["balanced_accuracy"] == record[f"{task}_balanced_accuracy"]


def test_a_window_that_was_not_judged_is_named():
    with pytest.raises(KeyError, match="no verdict on 'a dog'"):
        RecordedJudge({("cats", "a cat"): 1}).judge("cats", [Window.from_text("a dog")])
