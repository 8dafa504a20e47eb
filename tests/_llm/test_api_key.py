"""The key opens the door and shows nowhere else."""

import json
import logging
import pickle
import traceback

import pytest

from skdict._llm._api_key import strike_out
from skdict.interpretation.llm import ClientError, ManagedClient, OpenAIClient, Request
from tests.scripted import Reader, openai_server

KEY = "sk-secret/+0123456789"
QUESTION = Request((("user", "Feature 1\n a\t10\nSay what"),))


@pytest.fixture(autouse=True)
def openai():
    return pytest.importorskip("openai", reason="needs the extra llm: pip install 'skdict[llm]'")


@pytest.mark.parametrize("around", ["{}\n", "  {}", "\t{}\r\n"])
def test_white_space_around_a_key_is_removed(monkeypatch, around):
    monkeypatch.setenv("OPENAI_API_KEY", around.format(KEY))
    with openai_server(Reader()) as (address, seen):
        OpenAIClient("m", base_url=address).complete(QUESTION)
    assert seen[0]["headers"]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "bad", ["sk-sécret-123", "sk-secret\n456", "sk secret 789", "sk-\x1b[2J12"]
)
def test_keys_that_no_header_holds_are_refused(monkeypatch, bad):
    monkeypatch.setenv("MY_KEY", bad)
    with openai_server(Reader()) as (address, seen):
        client = OpenAIClient("m", base_url=address, api_key_env="MY_KEY")
        for act in (client.check, lambda: client.complete(QUESTION)):
            with pytest.raises(
                ClientError, match="MY_KEY contains .* copy the key again"
            ) as caught:
                act()
            assert caught.value.refused and bad not in str(caught.value)
    assert not seen


@pytest.mark.parametrize("blank", ["", " ", "\n"])
def test_blank_keys_are_missing(monkeypatch, blank):
    monkeypatch.setenv("OPENAI_API_KEY", blank)
    with pytest.raises(ClientError, match="OPENAI_API_KEY is not set or blank"):
        OpenAIClient("m").check()
    with openai_server(Reader()) as (address, _):
        assert OpenAIClient("m", base_url=address).complete(QUESTION).text


def echoes(key):
    """Return faults that repeat a key in bodies, headers and errors."""
    said = {"index": 0, "message": {"role": "assistant", "content": f"Fires on: {key}"}}
    envelope = {"id": "1", "object": "chat.completion", "created": 0, "model": key}
    top = {"token": key, "logprob": -1.0, "bytes": None}
    place = top | {"top_logprobs": [top]}

    def in_headers(handler):
        handler.send_response(400)
        handler.send_header("X-Key", key)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return [
        json.dumps(envelope | {"choices": [said | {"logprobs": {"content": [place]}}]}).encode(),
        json.dumps(envelope | {"choices": [{"message": key}]}).encode(),
        json.dumps({"choices": key}).encode(),
        key.encode(),
        (400, key),
        (401, json.dumps(key)),
        (500, key),
        in_headers,
    ]


def test_a_key_that_is_repeated_is_struck_out(monkeypatch, caplog, capsys, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    faults, told = echoes(KEY), []
    with openai_server(Reader(), faults) as (address, _):
        client = OpenAIClient("m", base_url=address)
        managed = ManagedClient(client, cache_dir=tmp_path, max_retries=0)
        for n in range(1, len(faults) + 1):
            try:
                found = managed.complete(Request(QUESTION.messages, max_tokens=n, top_logprobs=1))
                told.append(repr(found))
            except ClientError as error:
                told += [str(error), error.raw, *traceback.format_exception(error)]
                assert error.__cause__ is None and error.__context__ is None
    told += [path.read_text() for path in tmp_path.rglob("*.json")]
    told += [caplog.text, *capsys.readouterr()]
    assert sum("<key>" in text for text in told) >= 8
    for form in (KEY, json.dumps(KEY)[1:-1], KEY.replace("/", "\\/")):
        assert not [text for text in told if form in text]
    assert KEY.encode() not in pickle.dumps([client, managed])


def test_placeholders_are_words():
    assert strike_out("none of them", "none") == "none of them"
    assert strike_out("sk-12345678 sk-1", "sk-12345678") == "<key> sk-1"


@pytest.mark.parametrize("address", ["localhost:8000/v1", "ftp://host", "http://", 3, ""])
def test_addresses_are_checked_at_the_door(address):
    error = ValueError if isinstance(address, str) else TypeError
    with pytest.raises(error, match=r"base_url=.* is not accepted: pass an address .* http"):
        OpenAIClient("m", base_url=address)
