"""Clients drive the whole run: a server on this machine, and a model in this process."""

import dataclasses
import json
import logging
import math
import pickle
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, MistralConfig, MistralForCausalLM

from skdict._llm._openai_client import seconds_to_wait
from skdict.interpretation import FeatureInterpreter, LLMExplainer, LLMSimulator
from skdict.interpretation.llm import (
    ClientError,
    ManagedClient,
    OpenAIClient,
    Request,
    TransformersClient,
)
from tests.interpretation.planted import as_activations, text
from tests.scripted import Reader, openai_server

KEY = "sk-secret-0123456789"
QUESTION = Request((("user", "Is it?"),))
SAMPLED = {"sampling": "top_and_random", "sign": "positive", "window": 8, "random_state": 0}


@pytest.fixture(scope="module")
def planted():
    table = _, _, ids = text(40, 16, 8)
    return as_activations(np.stack([2.0 * (ids == 3), ids == 5], axis=1), *table)


def interpreter(dictionary, client, method, **options):
    return FeatureInterpreter(
        dictionary,
        explainer=LLMExplainer(client, window=8, n_examples=2),
        simulator=LLMSimulator(client, method=method, **options),
        **SAMPLED,
    )


@pytest.fixture
def openai(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return pytest.importorskip("openai", reason="needs the extra llm: pip install 'skdict[llm]'")


@pytest.mark.parametrize("method", ["all_at_once", "token_by_token", "json"])
def test_a_server_drives_the_run(openai, planted, method):
    acts, dictionary = planted
    with openai_server(Reader()) as (address, seen):
        found = interpreter(dictionary, OpenAIClient("m", base_url=address), method).fit(acts)
    assert found.scores_ == pytest.approx([1, 1]), found.failures_
    assert found.explanations_[1].text == "the token ' w5'"
    paths = {request["path"] for request in seen}
    assert paths == {"/v1/chat/completions"} | (
        {"/v1/completions"} if method == "all_at_once" else set()
    )
    assert {request["headers"]["authorization"] for request in seen} == {f"Bearer {KEY}"}
    assert KEY not in json.dumps([request["body"] for request in seen])


CHAT = {"id": "1", "object": "chat.completion", "created": 0, "model": "m"}
BROKEN = {
    "no choices": json.dumps(CHAT | {"choices": []}).encode(),
    "no JSON": b"<html>Bad gateway</html>",
    "null content": json.dumps(CHAT | {"choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": None}}
    ]}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("fault", [*BROKEN, 400])
def test_broken_replies_of_a_server_fail(openai, planted, fault):
    acts, dictionary = planted
    faults = [BROKEN.get(fault, fault)] * 100
    with openai_server(Reader(), faults) as (address, _):
        client = ManagedClient(OpenAIClient("m", base_url=address), max_retries=0)
        found = interpreter(dictionary, client, "json").fit(acts)
    assert found.status_.tolist() == ["failed", "failed"] and np.isnan(found.scores_).all()
    assert found.failures_[0].stage == "explain" and found.failures_[0].reason
    if fault == 400:
        assert "a fault" in found.failures_[0].raw


def test_faults_that_pass_are_tried_again(openai, planted):
    acts, dictionary = planted
    with openai_server(Reader(), [429, 500, 503]) as (address, seen):
        client = ManagedClient(OpenAIClient("m", base_url=address), backoff=0, n_threads=1)
        found = interpreter(dictionary, client, "json", control=False).fit(acts)
    assert found.scores_ == pytest.approx([1, 1])
    assert client.n_retries == 3 and len(seen) == client.n_calls + 3
    assert client.n_tokens >= 100 * client.n_calls


def test_waits_are_read_as_seconds_or_dates():
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    assert seconds_to_wait("2.5") == 2.5 and seconds_to_wait("9" * 400) == math.inf
    assert seconds_to_wait(format_datetime(in_an_hour)) == pytest.approx(3600, abs=5)
    assert seconds_to_wait("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    for header in ("", "-1", "nan", "1e9", "soon", "Wed, 99 Foo 2015"):
        assert seconds_to_wait(header) is None


def test_timeouts_and_lost_servers_are_transient(openai):
    with openai_server(Reader()) as (address, _):
        pass
    with pytest.raises(ClientError) as caught:
        OpenAIClient("m", base_url=address).complete(QUESTION)
    assert caught.value.transient

    def slow(request):
        import time

        time.sleep(0.5)
        return "yes"

    with openai_server(slow) as (address, _), pytest.raises(ClientError, match="[Tt]imeout"):
        OpenAIClient("m", base_url=address, timeout=0.1).complete(QUESTION)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_ends_the_run_at_once(openai, planted, status):
    acts, dictionary = planted
    with openai_server(Reader(), [(status, f"bad key {KEY}")] * 50) as (address, seen):
        client = ManagedClient(OpenAIClient("m", base_url=address), n_threads=1)
        with pytest.raises(ClientError, match="bad key <key>") as caught:
            interpreter(dictionary, client, "json").fit(acts)
    assert len(seen) == 1 and caught.value.refused
    assert KEY not in str(caught.value) + caught.value.raw


def test_the_key_shows_nowhere(openai, planted, caplog, capsys, tmp_path):
    acts, dictionary = planted
    caplog.set_level(logging.DEBUG)
    with openai_server(Reader(), [429, (400, f"key {KEY}")]) as (address, _):
        client = OpenAIClient("m", base_url=address)
        managed = ManagedClient(client, cache_dir=tmp_path, backoff=0, n_threads=1)
        found = interpreter(dictionary, managed, "json").fit(acts)
    assert "<key>" in found.failures_[0].raw
    shown = repr(client) + repr(managed) + repr(found) + repr(vars(client)) + repr(found.failures_)
    printed = capsys.readouterr()
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert kept
    assert KEY not in shown + caplog.text + printed.out + printed.err + kept
    for thing in (client, managed, found):
        assert KEY.encode() not in pickle.dumps(thing)
    with openai_server(Reader()) as (address, _):
        again = pickle.loads(pickle.dumps(client))
        again.base_url = address
        assert again.complete(Request((("user", "Feature 1\n a\t10\nSay what"),))).text


def test_a_key_for_a_name_is_refused_unseen():
    for value, error in ((KEY, ValueError), ([KEY], TypeError)):
        with pytest.raises(error, match="not the name of an environment variable") as caught:
            OpenAIClient("m", api_key_env=value)
        assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"model": ""}, ValueError, "model='' is not accepted"),
        ({"model": " "}, ValueError, "model=' ' is not accepted"),
        ({"model": None}, TypeError, "model=None is not accepted"),
        ({"base_url": "localhost:8000"}, ValueError, "begins with http://"),
        ({"base_url": "http://["}, ValueError, "begins with http://"),
        ({"base_url": 8000}, TypeError, "begins with http://"),
        ({"options": [("seed", 0)]}, TypeError, "pass a dict"),
        ({"timeout": 0}, ValueError, "timeout=0"),
        ({"endpoint": "text"}, ValueError, "endpoint='text'"),
    ],
)
def test_bad_parameters(options, error, message):
    with pytest.raises(error, match=message):
        OpenAIClient(**{"model": "m"} | options)


def test_a_cache_folder_is_a_path():
    with pytest.raises(TypeError, match=r"cache_dir=3 .*pass a str or pathlib\.Path, or None"):
        ManagedClient(OpenAIClient("m"), cache_dir=3)


def test_without_a_key(openai, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ClientError, match="OPENAI_API_KEY is not set") as caught:
        OpenAIClient("m").complete(QUESTION)
    assert caught.value.refused


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(ImportError, match=r"pip install 'skdict\[llm\]'"):
        OpenAIClient("m").complete(QUESTION)


def test_options_replace_what_is_sent(openai):
    with openai_server(lambda request: _completion("yes")) as (address, seen):
        options = {"max_tokens": None, "max_completion_tokens": 7, "seed": 3}
        OpenAIClient("m", base_url=address, options=options).complete(QUESTION)
        OpenAIClient("m", base_url=address, endpoint="completions").complete(
            Request((("user", "Once"),), prefix="Fires on:")
        )
    assert "max_tokens" not in seen[0]["body"] and seen[0]["body"]["max_completion_tokens"] == 7
    assert seen[1]["body"]["prompt"] == "Once\n\nFires on:"


def _completion(said):
    from skdict.interpretation.llm import Completion

    return Completion(said, None, 1, 1)


@pytest.fixture(scope="module")
def local(byte_tokenizer):
    """A random model that reads bytes: every level but 10 is one token."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = GPTNeoXConfig(
            vocab_size=300, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=8192, bos_token_id=0, eos_token_id=299,
        )  # fmt: skip
        return GPTNeoXForCausalLM(config).eval(), byte_tokenizer


def test_a_local_model_drives_the_run(local, planted):
    acts, dictionary = planted
    client = TransformersClient(local)
    explainer = LLMExplainer(client, window=4, n_shots=0, max_tokens=40, temperature=1.0)
    options = {"sampling": "top", "sign": "positive", "window": 4, "random_state": 0}
    found = {}
    for method in ("all_at_once", "token_by_token", "json"):
        simulator = LLMSimulator(client, method=method, n_shots=0, n_attempts=1, control=False)
        found[method] = FeatureInterpreter(
            dictionary, explainer=explainer, simulator=simulator, **options
        ).fit(acts)
    # Random weights explain nothing, but they write and predict, and so are scored.
    for method in ("all_at_once", "token_by_token"):
        assert found[method].status_.tolist() == ["scored", "scored"], found[method].failures_
        assert (np.abs(found[method].scores_) < 1).all()
        levels = np.concatenate(found[method].simulations_[0].predictions)
        assert (levels > 0).all() and (levels < 10).all()
    assert found["json"].status_.tolist() == ["failed", "failed"]
    assert found["json"].failures_[0].raw


@pytest.fixture(scope="module")
def sliding(byte_tokenizer):
    """A random model whose cache forgets all but the last few tokens."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = MistralConfig(
            vocab_size=300, hidden_size=16, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, sliding_window=3, bos_token_id=0,
            eos_token_id=299,
        )  # fmt: skip
        return MistralForCausalLM(config).eval(), byte_tokenizer


@pytest.mark.parametrize("name", ["local", "sliding"])
def test_local_log_probabilities_are_exact(name, request):
    local = model, tokenizer = request.getfixturevalue(name)
    levels = tuple(str(level) for level in range(11))
    asked = Request((("user", "a\tunknown\nb\tunknown"),), slots=(2, 12), choices=levels)
    found = TransformersClient(local).complete(asked).logprobs

    def following(prompt):
        ids = torch.tensor([tokenizer(prompt)["input_ids"]])
        with torch.inference_mode():
            return model(ids).logits[0, -1].double().softmax(-1)

    for at, prompt in zip(found, ("a\t", "a\tunknown\nb\t"), strict=True):
        p = following(prompt)
        by_level = {v: float(p[tokenizer(v)["input_ids"][-1]]) for v in levels[:10]}
        ten = by_level["1"] * float(following(prompt + "1")[tokenizer("0")["input_ids"][-1]])
        by_level |= {"1": by_level["1"] - ten, "10": ten}
        assert {v: math.exp(at[v]) for v in levels} == pytest.approx(by_level, rel=1e-4)
    # Behind the text it is the same as at a slot there.
    behind = dataclasses.replace(asked, messages=(("user", "a\t"),), slots=())
    assert TransformersClient(local).complete(behind).logprobs[0] == pytest.approx(found[0])


def test_a_local_model_reads_a_text_once(local):
    model, tokenizer = local
    read = []
    hook = model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    asked = Request((("user", "a\tunknown\nb\tunknown"),), slots=(2, 12), choices=("1", "10"))
    with hook:
        TransformersClient(local).complete(asked)
    assert read == [len(tokenizer(asked.text)["input_ids"]), 1, 1]


def test_local_models_are_told_apart(local):
    other = GPTNeoXForCausalLM(local[0].config)
    assert TransformersClient((other, local[1])).identity != TransformersClient(local).identity


def test_random_replies_depend_on_the_whole_request_and_the_seed(local):
    def reply(text, seed=0, **options):
        options = {"max_tokens": 20, "temperature": 1.0} | options
        request = Request((("user", text),), **options)
        return TransformersClient(local, seed=seed).complete(request).text

    assert reply("a") == reply("a")
    # A random model of 300 bytes hardly looks at its prompt: with equal random numbers, replies
    # to all these requests would be nearly equal.
    others = [reply("b"), reply("a", seed=1), reply("a", json=True), reply("a", max_tokens=19)]
    alike = [sum(x == y for x, y in zip(reply("a"), other, strict=False)) for other in others]
    assert max(alike) < 8
    cold = {"temperature": 0.0}
    assert reply("a", **cold) == reply("a", seed=1, **cold)


def test_seeds_are_told_apart_in_a_cache(local):
    assert TransformersClient(local, seed=1).identity != TransformersClient(local).identity
    with pytest.raises(ValueError, match="seed=-1 is not accepted"):
        TransformersClient(local, seed=-1)


def test_local_model_says_what_it_reads(local):
    short = GPTNeoXForCausalLM(
        GPTNeoXConfig(vocab_size=300, hidden_size=8, intermediate_size=8, num_hidden_layers=1,
                      num_attention_heads=1, max_position_embeddings=16)
    ).eval()  # fmt: skip
    with pytest.raises(ClientError, match="the model accepts at most 16; pass fewer n_shots"):
        TransformersClient((short, local[1])).complete(QUESTION)


def test_local_model_is_deterministic_and_pickles():
    from skdict import load_stories

    client = TransformersClient(load_stories().model)
    request = Request((("user", "Once upon a time"),), max_tokens=5, temperature=1.0)
    first = client.complete(request)
    assert client.identity == TransformersClient(load_stories().model).identity
    state = torch.get_rng_state()
    assert pickle.loads(pickle.dumps(client)).complete(request) == first
    assert torch.equal(torch.get_rng_state(), state)
    assert first.n_reply_tokens <= 5 and first.n_prompt_tokens > 0
