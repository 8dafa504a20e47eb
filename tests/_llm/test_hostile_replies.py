"""Replies of any shape fail one feature and no more, are counted, and are paid for once."""

import gzip
import json
import time
from collections import Counter

import numpy as np
import pytest

from skdict._llm import AskingError
from skdict._llm._asking import ask
from skdict._llm._read_replies import expected_level, read_levels
from skdict.interpretation import FeatureInterpreter, LLMExplainer, LLMSimulator
from skdict.interpretation.llm import Completion, ManagedClient, OpenAIClient, Request
from tests.interpretation.planted import as_activations, text
from tests.scripted import Reader, openai_server

KEY = "sk-secret-0123456789"
ENVELOPE = {"id": "1", "object": "chat.completion", "created": 0, "model": "m"}


def planted(n_features, n_documents=20):
    """Return rows with a feature for each token, and their dictionary."""
    table = _, _, ids = text(n_documents, 24, n_features)
    return as_activations(2.0 * (ids[:, None] == np.arange(n_features)), *table)


@pytest.fixture(autouse=True)
def key(monkeypatch):
    pytest.importorskip("openai", reason="needs the extra llm: pip install 'skdict[llm]'")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def body(**fields):
    return json.dumps(ENVELOPE | fields).encode()


def saying(content, **fields):
    """Return the body of a reply with some content."""
    choice = {"index": 0, "finish_reason": "stop"}
    return body(choices=[choice | {"message": {"role": "assistant", "content": content}}], **fields)


def compressed(handler):
    content = gzip.compress(saying("a" * 10**7))
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)


def endless(handler):
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    try:
        for _ in range(80):
            handler.wfile.write(b" " * 2**20)
    except OSError:
        pass  # The client has hung up, as it should.


def cut_off(handler):
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"id": ')
    handler.close_connection = True


def echoing(handler):
    handler.reply(200, saying(f"your key is {handler.headers['Authorization']}"))


# What the server answers when it is asked to explain a feature, one for each.
BAD = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[1, 2]",
    "a number": b"3",
    "a string": b'"Fires on: cats"',
    "HTML": b"<html>Bad gateway</html>",
    "bytes that are no text": bytes(range(128, 256)),
    "broken JSON": b'{"choices": [',
    "deep JSON": b"[" * 100_000 + b"]" * 100_000,
    "a deep object": b'{"choices": ' * 5_000 + b"1" + b"}" * 5_000,
    "NaN for a reply": b"NaN",
    "no choices at all": body(),
    "choices null": body(choices=None),
    "choices empty": body(choices=[]),
    "choices an object": body(choices={"0": 1}),
    "choices of null": body(choices=[None]),
    "choices of strings": body(choices=["Fires on: cats"]),
    "a message null": body(choices=[{"index": 0, "message": None}]),
    "a message without content": body(choices=[{"index": 0, "message": {}}]),
    "content null": saying(None),
    "content empty": saying(""),
    "content a list": saying(["Fires on: cats"]),
    "content an object": saying({"text": "Fires on: cats"}),
    "content a number": saying(7),
    "content true": saying(True),
    "content huge": saying("Fires on: cats\n" * 100_000),
    "content with half a character": saying("\ud83d"),
    "prose": saying("I would rather not say."),
    "only a draft": saying("<think>Fires on: dogs? Or"),
    "a draft amid the answer": saying("Fires on: the <think>hm</think> cats"),
    "usage text": saying("Fires on: cats", usage={"prompt_tokens": "many"}),
    "usage negative": saying("Fires on: cats", usage={"prompt_tokens": -(10**12)}),
    "usage a number": saying("Fires on: cats", usage={"completion_tokens": 1e300}),
    "compressed": compressed,
    "endless": endless,
    "cut off": cut_off,
    "the key": echoing,
    "400": (400, f"bad key {KEY}"),
    "418": (418, "\x1b[2J"),
    "500": 500,
}
LOST = ("cut off", "400", "418", "500")


def fitted(planted, client, method="json"):
    acts, dictionary = planted
    return FeatureInterpreter(
        dictionary,
        explainer=LLMExplainer(client, window=8, n_examples=1, n_shots=0, n_attempts=1),
        simulator=LLMSimulator(client, method=method, n_shots=0, n_attempts=1, control=False),
        sampling="top",
        sign="positive",
        window=8,
        min_firings=1,
        random_state=0,
    ).fit(acts)


def test_each_bad_reply_fails_one_feature():
    n_bad = len(BAD)
    assert n_bad >= 30
    acts, dictionary = planted(n_bad + 2, n_documents=60)
    with openai_server(Reader(), BAD.values()) as (address, seen):
        client = ManagedClient(OpenAIClient("m", base_url=address), max_retries=0, n_threads=1)
        found = fitted((acts, dictionary), client)
    assert found.status_.tolist() == ["failed"] * n_bad + ["scored"] * 2, found.failures_
    assert found.counts_["n_failed"] == n_bad
    for kind, failure in zip(BAD, found.failures_.values(), strict=True):
        assert failure.stage == "explain" and failure.reason.isprintable(), kind
        assert len(failure.raw) <= 10_000 and KEY not in failure.reason + failure.raw, kind
    assert max(Counter(json.dumps(request["body"]) for request in seen).values()) == 1
    # A reply that came is a call, whatever it says; one that did not come is none.
    n_lost = len(LOST)
    assert client.n_calls == len(seen) - n_lost


LEVELS = {
    "a draft of levels": '{"levels": [0',
    "levels of strings": json.dumps({"levels": ["0"] * 8}),
    "levels true": json.dumps({"levels": [True] * 8}),
    "levels beyond": json.dumps({"levels": [1e999] * 8}),
    "levels nested": '{"levels": ' + "[" * 5_000 + "]" * 5_000 + "}",
    "levels of many digits": '{"levels": [' + "9" * 5_000 + "]}",
    "levels in another object": json.dumps({"answer": {"levels": [0] * 8}}),
}


@pytest.mark.parametrize("kind", LEVELS)
def test_bad_levels_are_an_error(kind):
    with openai_server(Reader(), [saying(LEVELS[kind])]) as (address, _):
        client = ManagedClient(OpenAIClient("m", base_url=address))
        read = lambda completion: read_levels(completion.text, 8)  # noqa: E731
        with pytest.raises(AskingError):
            ask(client, Request((("user", "?"),)), read)
    assert client.n_calls == 1


def logprobs(tops):
    place = {"token": "1", "logprob": 0.0, "bytes": None, "top_logprobs": tops}
    choice = {"index": 0, "finish_reason": "stop", "logprobs": {"content": [place]}}
    return body(choices=[choice | {"message": {"role": "assistant", "content": "1"}}])


LOGPROBS = {
    "a log-probability of 1000": [{"token": "3", "logprob": 1000}],
    "NaN": [{"token": "3", "logprob": float("nan")}],
    "text": [{"token": "3", "logprob": "high"}],
    "null": [{"token": "3", "logprob": None}],
    "a token null": [{"token": None, "logprob": -1}],
    "more than 1 together": [{"token": str(i), "logprob": 0} for i in range(5)],
    "none": None,
    "an object": {"3": -1},
}


@pytest.mark.parametrize("kind", LOGPROBS)
def test_bad_log_probabilities_are_an_error(kind):
    def read(completion):
        return expected_level((completion.logprobs or (None,))[0])

    question = Request((("user", "?"),), top_logprobs=20)
    with openai_server(Reader(), [logprobs(LOGPROBS[kind])]) as (address, _):
        client = ManagedClient(OpenAIClient("m", base_url=address))
        with pytest.raises(AskingError):
            ask(client, question, read)
    assert client.n_calls == 1


class Unspeakable:
    def __repr__(self):
        raise RuntimeError("no words")


OBJECTS = [None, 3, b"Fires on: cats", ["Fires on: cats"], {"text": "x"}, Unspeakable()]
OBJECTS += [Completion(None), Completion(b"x"), Completion("x", n_reply_tokens="many")]
OBJECTS += [Completion("x", {"3": -1}), Completion("x", ({"3": 1000.0},))]


def test_whatever_a_function_returns_fails_one_feature():
    reader, bad = Reader(), list(OBJECTS)
    client = ManagedClient(lambda request: bad.pop(0) if bad else reader(request), n_threads=1)
    found = fitted(planted(len(OBJECTS) + 1), client)
    assert found.status_.tolist() == ["failed"] * len(OBJECTS) + ["scored"]
    assert found.counts_["n_failed"] == len(OBJECTS)


def test_what_several_threads_ask_is_paid_once():
    def slow(request):
        time.sleep(0.05)
        return Reader()(request)

    question = Request((("user", "Feature 1\n a\t10\nSay what"),))
    with openai_server(slow) as (address, seen):
        endpoint = OpenAIClient("m", base_url=address)
        client = ManagedClient(endpoint, n_threads=8)
        said = client.map(client.complete, [question] * 24)
        again = ManagedClient(endpoint).complete(question)
    assert len(seen) == client.n_calls == 1 and client.n_cached == 23
    assert {found.text for found in said} == {again.text}


def test_questions_with_a_temperature_are_asked_again():
    question = Request((("user", "?"),), temperature=1.0)
    client = ManagedClient(lambda request: "yes")
    for _ in range(2):
        client.complete(question)
    assert client.n_calls == 2


def test_replies_without_counts_spend_the_budget():
    with openai_server(Reader(), [saying("a" * 4_000)]) as (address, _):
        client = ManagedClient(OpenAIClient("m", base_url=address), max_tokens=1_000)
        client.complete(Request((("user", "b" * 400),)))
    assert client.n_tokens == 1_100


def test_a_slow_body_is_given_up():
    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.end_headers()
        try:
            for _ in range(40):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass

    with openai_server(Reader(), [drip]) as (address, _):
        client = OpenAIClient("m", base_url=address, timeout=0.3)
        start = time.perf_counter()
        with pytest.raises(Exception, match="[Tt]imed out|[Tt]imeout"):
            client.complete(Request((("user", "?"),)))
    assert time.perf_counter() - start < 1.5
