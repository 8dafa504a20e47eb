"""What a language model says of windows is read strictly; what cannot be read is no verdict."""

import numpy as np
import pytest

from skdict.interpretation import (
    Completion,
    ContextExplainer,
    DetectionScorer,
    Explanation,
    FuzzingScorer,
    IntruderScorer,
    LexiconExplainer,
    LLMExplainer,
    LLMJudge,
    ManagedClient,
    NGramExplainer,
    OpenAIClient,
    Window,
)
from tests.interpretation.planted import as_activations, text
from tests.interpretation.scripted import explain_and_judge, openai_server

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


class Asked:
    """A client that can be told apart and keeps what it is asked."""

    identity = "asked"

    def __init__(self):
        self.requests = []

    def complete(self, request):
        self.requests.append(request)
        return explain_and_judge(request)


@pytest.mark.parametrize("scorer", [DetectionScorer, FuzzingScorer])
def test_nothing_is_paid_for_features_that_cannot_be_judged(words, scorer):
    """Of six features one fires on too few tokens, one in all windows, and one never."""
    acts, _ = words
    few = (acts.positions == 0) & (acts.documents % 14 == 0)
    rest = few, np.ones(len(acts)), np.zeros(len(acts))
    rows = np.column_stack([np.asarray(acts), *rest])
    table = acts.documents, acts.positions, acts.token_ids
    changed, dictionary = as_activations(rows, *table, vocabulary=acts.vocabulary)
    client = Asked()
    made = scorer(LLMJudge(client), explainer=LLMExplainer(client), n_features=None, **SMALL)
    found = made.measure(dictionary, changed)
    explains = [request for request in client.requests if "Say what" in request.text]
    assert len(explains) == 3 and len(client.requests) == 3 + 3 * 4
    found = {name.removeprefix(f"{made.task}_"): value for name, value in found.items()}
    assert found[made.metric] == found["median"] == 1
    counts = [found[f"n_{name}"] for name in ("judged", "insufficient", "unexplained", "dead")]
    assert counts == [3, 2, 0, 1]


def test_intruders_need_no_explanation(words, monkeypatch):
    acts, dictionary = words
    for explainer in (LexiconExplainer, NGramExplainer, ContextExplainer):
        monkeypatch.setattr(explainer, "explain", lambda *args: pytest.fail("it was explained"))
    judge = LLMJudge(explain_and_judge)
    made = IntruderScorer(judge, sign="positive", window=8, n_trials=5)
    assert made(dictionary, acts) == 1


def test_a_budget_spent_while_explaining_is_counted_apart(words):
    acts, dictionary = words
    explainer = LLMExplainer(ManagedClient(Asked(), max_calls=1))
    made = DetectionScorer(LLMJudge(explain_and_judge), explainer=explainer, **SMALL)
    with pytest.warns(UserWarning, match="budget was spent before 2 of 3 features"):
        found = made.measure(dictionary, acts)
    assert found["detection_corpus_f1"] == 1
    assert found["detection_n_judged"] == 1 and found["detection_n_stopped"] == 2
    assert found["detection_n_unexplained"] == found["detection_n_failed"] == 0


def test_a_budget_spent_while_judging_goes_on_without_paying_twice(words, tmp_path):
    """Each of three features takes four questions; the budget ends in the second."""
    acts, dictionary = words
    client = Asked()
    options = SMALL | {"explainer": LexiconExplainer(budget=1)}

    def measure(max_calls):
        judge = LLMJudge(ManagedClient(client, max_calls=max_calls, cache_dir=tmp_path))
        made = DetectionScorer(judge, **options)
        return made, made.measure(dictionary, acts)

    with pytest.warns(UserWarning, match="budget was spent before 2 of 3 features"):
        made, found = measure(5)
    assert found["detection_n_judged"] == 1 and found["detection_n_stopped"] == 2
    assert found["detection_n_failed"] == 0 and found["detection_corpus_f1"] == 1
    assert [any(f.stopped for f in own) for own in made.failures_] == [False, True, True]
    made, found = measure(7)
    assert found["detection_n_judged"] == 3 and found["detection_corpus_f1"] == 1
    assert len(client.requests) == 12


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
