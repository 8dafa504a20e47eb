"""What a language model says of windows is read strictly; what cannot be read is no verdict."""

import numpy as np
import pytest

from skdict.interpretation import (
    Completion,
    DetectionScorer,
    Explanation,
    FuzzingScorer,
    IntruderScorer,
    LLMExplainer,
    LLMJudge,
    ManagedClient,
    OpenAIClient,
    Window,
)
from tests.interpretation.planted import as_activations, text
from tests.interpretation.scripted import openai_server

SHOWN = [Window.from_text("a cat ran"), Window.from_text("it rained")]


def test_it_is_asked_what_the_windows_ask_for():
    asked = []

    def client(request):
        asked.append(request)
        return '{"intruder": 2}' if "does not belong" in request.text else '{"answers": [1, 0]}'

    judge = LLMJudge(client)
    marked = [Window.from_text("a<< cat>> ran"), Window.from_text("it<< rained>>")]
    assert judge.judge("cats", SHOWN).tolist() == [1, 0]
    assert judge.judge(Explanation(0, "llm", 0, 0, "cats", ()), marked).tolist() == [1, 0]
    assert judge.judge(None, marked).tolist() == [1, 0]
    detection, fuzzing, intruder = (request.text for request in asked)
    assert "cats" in detection
    assert "<<" not in detection
    assert "<< cat>>" in fuzzing
    assert "Fires on" not in intruder


@pytest.mark.parametrize(
    "reply",
    [
        "Yes, then no.",
        '{"answers": [1, 0',
        '{"answers": [1]}',
        '{"answers": [1, 2]}',
        '{"answers": [1, 0.5]}',
        '{"answers": "10"}',
        "",
    ],
)
def test_bad_replies_are_kept_and_no_verdict(reply):
    judge = LLMJudge(lambda request: reply, n_attempts=1)
    assert np.isnan(judge.judge("cats", SHOWN)).all()
    (failure,) = judge.failures_
    assert failure.stage == "judge"
    assert failure.raw == reply


@pytest.mark.parametrize("reply", ['{"intruder": 0}', '{"intruder": true}', '{"intruder": "1"}'])
def test_bad_intruders_are_no_verdict(reply):
    judge = LLMJudge(lambda request: reply, n_attempts=1)
    assert np.isnan(judge.judge(None, SHOWN)).all()


def test_it_is_asked_again_with_what_was_wrong():
    replies = iter(["no idea", '{"answers": [0, 1]}'])
    judge = LLMJudge(lambda request: next(replies))
    assert judge.judge("cats", SHOWN).tolist() == [0, 1]


def test_it_drives_whole_scorers_within_a_budget():
    """A model that reads marks and words as well as we do is right about every window."""
    table = text(120, 24, 30)
    words = [f" w{i}" for i in range(30)]
    codes = (table[2][:, None] == np.arange(3)).astype(float)
    acts, dictionary = as_activations(codes, *table, vocabulary=words)

    def reads(request):
        said, *pieces = request.messages[-1][1].split("\n")
        word = said.split('"')[1]
        answers = [int(f"{word} " in f"{piece[:-1]} ") for piece in pieces]
        return Completion(f'{{"answers": {answers}}}')

    options = {"sign": "positive", "n_positive": 10, "n_negative": 10, "window": 8}
    client = ManagedClient(reads)
    measures = DetectionScorer(LLMJudge(client), **options).measure(dictionary, acts)
    assert measures["detection_corpus_f1"] == 1
    assert measures["detection_n_failed"] == 0
    spent = LLMJudge(ManagedClient(reads, max_calls=1))
    measures = DetectionScorer(spent, **options).measure(dictionary, acts)
    assert measures["detection_n_failed"] == 3 * 20 - 5
    assert all(failure.stopped for failure in spent.failures_)

    def guesses(request):
        return '{"intruder": 1}'

    score = IntruderScorer(LLMJudge(guesses), sign="positive", window=8)(dictionary, acts)
    assert 0 < score < 0.5


SMALL = {"sign": "positive", "n_positive": 10, "n_negative": 10, "window": 8}


@pytest.fixture(scope="module")
def words():
    """Three features, each one word of thirty."""
    table = text(120, 24, 30)
    vocabulary = [f" w{i}" for i in range(30)]
    return as_activations(
        (table[2][:, None] == np.arange(3)).astype(float), *table, vocabulary=vocabulary
    )


@pytest.mark.parametrize("scorer", [DetectionScorer, FuzzingScorer])
def test_free_words_are_refused_before_anything_is_asked(words, scorer):
    acts, dictionary = words
    asked = []
    explainer = LLMExplainer(lambda request: asked.append(request) or "Fires on: w1")
    with pytest.raises(ValueError, match=r"pass judge=LLMJudge\(client\)"):
        scorer(explainer=explainer, **SMALL)(dictionary, acts)
    assert not asked


@pytest.mark.parametrize("scorer", [DetectionScorer, FuzzingScorer])
def test_explanations_that_cannot_be_read_are_counted_with_the_reply(words, scorer):
    acts, dictionary = words
    explainer = LLMExplainer(lambda request: "It is hard to say.", n_attempts=1)
    judge = LLMJudge(lambda request: pytest.fail("there is nothing to judge by"))
    made = scorer(judge, explainer=explainer, **SMALL)
    with pytest.warns(UserWarning, match=r"none of 3 features.*'It is hard to say\.'"):
        measures = made.measure(dictionary, acts)
    assert np.isnan(measures[f"{made.task}_{made.metric}"])
    assert measures[f"{made.task}_n_judged"] == 0
    assert measures[f"{made.task}_n_unexplained"] == 3
    assert [failure.raw for (failure,) in made.failures_] == ["It is hard to say."] * 3


@pytest.mark.parametrize("fault", ["prose", "cut off", "wrong length", 400, 429, 500])
def test_a_server_drives_detection_fuzzing_and_intruders(words, monkeypatch, fault):
    pytest.importorskip("openai", reason="needs the extra llm: pip install 'skdict[llm]'")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0")
    acts, dictionary = words
    replies = {"prose": "Yes.", "cut off": '{"answers": [1, 0', "wrong length": '{"answers": [1]}'}

    def says(request):
        if fault in replies:
            return Completion(replies[fault], None, 1, 1)
        pieces = request.messages[-1][1].count("\n")
        asks = "does not belong" in request.text
        return Completion('{"intruder": 1}' if asks else f'{{"answers": {[1] * pieces}}}')

    scorers = (DetectionScorer, FuzzingScorer, IntruderScorer)
    for scorer in scorers:
        # Every question of the first feature fails, and where the model is at fault, all do.
        n_bad = 4 if fault not in replies else 0
        with openai_server(says, [fault] * n_bad) as (address, seen):
            client = ManagedClient(OpenAIClient("m", base_url=address), max_retries=0)
            options = SMALL if scorer is not IntruderScorer else {
                "sign": "positive", "window": 8, "n_trials": 8}  # fmt: skip
            made = scorer(LLMJudge(client, n_attempts=1), **options)
            found = made.measure(dictionary, acts)
        own = {name.removeprefix(f"{made.task}_"): value for name, value in found.items()}
        assert seen
        if fault in replies:
            assert own["n_judged"] == 0 and np.isnan(own[made.metric])
            assert own["n_failed"] == (24 if scorer is IntruderScorer else 60)
            assert made.failures_[0][0].raw == replies[fault]
        else:
            assert own["n_judged"] >= 2 and own["n_failed"] == (
                4 if scorer is IntruderScorer else 20
            )
            assert len(made.failures_[0]) == 4 and not made.failures_[2]
            if scorer is not IntruderScorer:
                # "Yes" to all: what failed is left out, not counted as wrong.
                assert own["balanced_accuracy"] == 0.5
