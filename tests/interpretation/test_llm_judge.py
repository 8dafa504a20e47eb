"""What a language model says of windows is read strictly; what cannot be read is no verdict."""

import numpy as np
import pytest

from skdict.interpretation import (
    Completion,
    DetectionScorer,
    Explanation,
    IntruderScorer,
    LLMJudge,
    ManagedClient,
    Window,
)
from tests.interpretation.planted import as_activations, text

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
