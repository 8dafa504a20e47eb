"""What a language model says of windows is read strictly; what cannot be read is no verdict."""

import numpy as np
import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM
from transformers.modeling_outputs import CausalLMOutputWithPast

from skdict._llm import ReplyError
from skdict.interpretation import (
    ContextExplainer,
    DetectionScorer,
    Explanation,
    FuzzingScorer,
    IntruderScorer,
    LexiconExplainer,
    LLMExplainer,
    LLMJudge,
    NGramExplainer,
    Window,
)
from skdict.interpretation._attempts import Attempts
from skdict.interpretation.judges import ask_judge
from skdict.interpretation.llm import (
    Completion,
    ManagedClient,
    OpenAIClient,
    Request,
    TransformersClient,
)
from tests.interpretation.planted import as_activations, text
from tests.scripted import explain_and_judge, openai_server

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
    attempts = Attempts()
    assert np.isnan(ask_judge(judge, "cats", SHOWN, attempts=attempts, feature=3)).all()
    (failure,) = attempts.failures[3]
    assert failure.stage == "judge"
    assert failure.raw == reply
    with pytest.raises(ReplyError):
        judge.judge("cats", SHOWN)


@pytest.mark.parametrize("reply", ['{"intruder": 0}', '{"intruder": true}', '{"intruder": "1"}'])
def test_bad_intruders_are_no_verdict(reply):
    judge = LLMJudge(lambda request: reply, n_attempts=1)
    assert np.isnan(ask_judge(judge, None, SHOWN)).all()


def test_it_is_asked_again_with_what_was_wrong():
    replies = iter(["no idea", '{"answers": [0, 1]}'])
    judge = LLMJudge(lambda request: next(replies))
    assert judge.judge("cats", SHOWN).tolist() == [0, 1]


RULES = {"explainer": LexiconExplainer(budget=1)}
SMALL = {"sign": "positive", "n_positive": 10, "n_negative": 10, "window": 8, "control": False}
FOUR_QUESTIONS = {
    DetectionScorer: SMALL | RULES,
    FuzzingScorer: SMALL | RULES,
    IntruderScorer: {"sign": "positive", "window": 8, "n_trials": 4},
}


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
    assert np.isnan(measures[f"{made.task}_{made._metric()}"])
    assert measures[f"{made.task}_n_judged"] == 0
    assert measures[f"{made.task}_n_unexplained"] == 3
    assert [failure.raw for (failure,) in made.failures_] == ["It is hard to say."] * 3


def without_prefix(scorer, found):
    return {name.removeprefix(f"{scorer.task}_"): value for name, value in found.items()}


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
    found = without_prefix(made, found)
    assert found[made._metric()] == found["median"] == 1
    counts = [found[f"n_{name}"] for name in ("judged", "insufficient", "unexplained", "dead")]
    assert counts == [3, 2, 0, 1]


def test_the_control_asks_as_much_again_and_is_stopped_apart(words):
    acts, dictionary = words
    options = FOUR_QUESTIONS[DetectionScorer] | {"metric": "balanced_accuracy", "control": True}
    client = Asked()
    found = DetectionScorer(LLMJudge(client), **options).measure(dictionary, acts)
    assert len(client.requests) == 2 * 12 and found["detection_shuffled"] < 0.8
    DetectionScorer(LLMJudge(client), **options)(dictionary, acts)
    assert len(client.requests) == 3 * 12
    judge = LLMJudge(ManagedClient(client, max_calls=12, n_threads=1))
    found = DetectionScorer(judge, **options).measure(dictionary, acts)
    assert found["detection_n_judged"] == 3 and found["detection_n_stopped"] == 0
    assert found["detection_balanced_accuracy"] == 1 and np.isnan(found["detection_shuffled"])


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

    def measure(max_calls):
        judge = LLMJudge(ManagedClient(client, max_calls=max_calls, cache_dir=tmp_path))
        made = DetectionScorer(judge, **FOUR_QUESTIONS[DetectionScorer])
        return made, made.measure(dictionary, acts)

    with pytest.warns(UserWarning, match="budget was spent before 2 of 3 features"):
        made, found = measure(5)
    assert found["detection_n_judged"] == 1 and found["detection_n_stopped"] == 2
    assert found["detection_n_failed"] == 0 and found["detection_corpus_f1"] == 1
    assert [any(f.stopped for f in own) for own in made.failures_] == [False, True, True]
    made, found = measure(7)
    assert found["detection_n_judged"] == 3 and found["detection_corpus_f1"] == 1
    assert len(client.requests) == 12


@pytest.fixture
def address_of(monkeypatch):
    """Give a server of a model, after some faults."""
    pytest.importorskip("openai", reason="needs the extra llm: pip install 'skdict[llm]'")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0")
    return openai_server


def test_a_server_that_reads_is_right_about_every_window(words, address_of):
    acts, dictionary = words
    with address_of(explain_and_judge) as (address, seen):
        client = OpenAIClient("m", base_url=address)
        judge, explainer = LLMJudge(client), LLMExplainer(client, n_shots=0, window=8)
        for made in (
            DetectionScorer(judge, explainer=explainer, **SMALL),
            FuzzingScorer(judge, explainer=explainer, **SMALL),
            IntruderScorer(judge, sign="positive", window=8, n_trials=4),
        ):
            found = without_prefix(made, made.measure(dictionary, acts))
            assert found.get("balanced_accuracy", found.get("accuracy")) == 1
            assert found["n_judged"] == 3 and found["n_failed"] == 0
    # The explanations of the first scorer are not paid for again by the second.
    assert len(seen) == 3 + 2 * 3 * 4 + 3 * 4


FAULTS = {"prose": "Yes.", "cut off": '{"answers": [1, 0', "wrong length": '{"answers": [1]}'}


@pytest.mark.parametrize("scorer", [DetectionScorer, FuzzingScorer, IntruderScorer])
def test_replies_of_a_server_that_cannot_be_read_are_no_verdicts(words, address_of, scorer):
    """Each of the three features gets another kind of them."""
    acts, dictionary = words
    replies = iter([reply for reply in FAULTS.values() for _ in range(4)])
    with address_of(lambda request: Completion(next(replies), None, 1, 1)) as (address, _):
        client = ManagedClient(OpenAIClient("m", base_url=address), n_threads=1)
        made = scorer(LLMJudge(client, n_attempts=1), **FOUR_QUESTIONS[scorer])
        with pytest.warns(UserWarning, match="none of 3 features could be judged"):
            found = without_prefix(made, made.measure(dictionary, acts))
    assert np.isnan(found[made._metric()]) and found["n_judged"] == 0
    assert found["n_failed"] == 3 * (4 if scorer is IntruderScorer else 20)
    assert [{failure.raw for failure in own} for own in made.failures_] == [
        {reply} for reply in FAULTS.values()
    ]


@pytest.mark.parametrize("scorer", [DetectionScorer, FuzzingScorer, IntruderScorer])
def test_what_a_server_failed_to_say_is_left_out_and_not_wrong(words, address_of, scorer):
    acts, dictionary = words
    with address_of(explain_and_judge, [429, 500, 400, 503]) as (address, _):
        client = ManagedClient(OpenAIClient("m", base_url=address), max_retries=0, n_threads=1)
        made = scorer(LLMJudge(client, n_attempts=1), **FOUR_QUESTIONS[scorer])
        found = without_prefix(made, made.measure(dictionary, acts))
    assert found[made._metric()] == 1 and found["n_judged"] == 2
    assert found["n_failed"] == (4 if scorer is IntruderScorer else 20)
    assert [len(own) for own in made.failures_] == [4, 0, 0]


class Spelling(GPTNeoXForCausalLM):
    """A model whose likeliest next bytes spell what `explain_and_judge` says to the text."""

    def __init__(self, config, tokenizer):
        super().__init__(config)
        self.tokenizer = tokenizer

    def forward(self, input_ids, past_key_values=None, use_cache=True):
        said, place = past_key_values or (self.reply(self.tokenizer.decode(input_ids[0])), 0)
        logits = torch.zeros(1, 1, self.config.vocab_size)
        # Behind the reply stands the beginning of a text, which reads as nothing.
        logits[..., said[place] if place < len(said) else self.tokenizer.bos_token_id] = 9
        return CausalLMOutputWithPast(logits=logits, past_key_values=(said, place + 1))

    def reply(self, prompt):
        question = prompt.removesuffix("\n\nFires on:")
        request = Request((("user", question.rsplit("\n\n", 1)[-1]),))
        said = explain_and_judge(request).text
        return self.tokenizer(said.removeprefix("Fires on:"))["input_ids"]


def small_model():
    return GPTNeoXConfig(
        vocab_size=300, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=1, max_position_embeddings=8192,
    )  # fmt: skip


def test_a_local_model_that_reads_is_right_about_every_window(words, byte_tokenizer):
    acts, dictionary = words
    client = TransformersClient((Spelling(small_model(), byte_tokenizer), byte_tokenizer))
    judge, explainer = LLMJudge(client), LLMExplainer(client, n_shots=0, window=8, max_tokens=9)
    for scorer in (DetectionScorer, FuzzingScorer):
        made = scorer(judge, explainer=explainer, **SMALL)
        found = without_prefix(made, made.measure(dictionary, acts))
        assert found["balanced_accuracy"] == 1, made.failures_
        assert found["n_judged"] == 3 and found["n_failed"] == 0
    options = {"sign": "positive", "window": 8, "n_trials": 4}
    assert IntruderScorer(judge, **options)(dictionary, acts) == 1


def test_a_local_model_of_random_weights_gives_no_verdict(words, byte_tokenizer):
    acts, dictionary = words
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = GPTNeoXForCausalLM(small_model()).eval()
    client = TransformersClient((model, byte_tokenizer))
    options = SMALL | RULES | {"n_positive": 2, "n_negative": 2}
    made = DetectionScorer(LLMJudge(client, n_attempts=1), **options)
    with pytest.warns(UserWarning, match="none of 3 features could be judged"):
        found = made.measure(dictionary, acts)
    assert found["detection_n_failed"] == 3 * 4
    assert all(failure.raw for (failure,) in made.failures_)
