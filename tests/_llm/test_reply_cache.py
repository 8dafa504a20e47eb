"""What is kept answers its own question only, and only while it is whole."""

import dataclasses
import json
import os

import numpy as np
import pytest

from skdict._llm._reply_cache import MOST_MEMORY_BYTES, ReplyCache, ReplyMemory
from skdict.interpretation.llm import Completion, ManagedClient, Request

QUESTION = Request((("user", "Is it?"),))
REPLY = Completion("yes", ({"yes": -0.5, "no": -np.inf}, None), 30, 1)


@pytest.fixture
def cache(tmp_path):
    cache = ReplyCache(tmp_path, ["model", 1])
    cache.put(QUESTION, REPLY)
    return cache


def file_of(cache):
    (path,) = cache.folder.rglob("*.json")
    return path


def changed(cache, change):
    """Change the content of the file, its hash left as it is."""
    content = json.loads(file_of(cache).read_text())
    change(content)
    file_of(cache).write_text(json.dumps(content))


def test_a_reply_is_given_back(cache):
    assert cache.get(QUESTION) == REPLY
    assert cache.get(dataclasses.replace(QUESTION, max_tokens=7)) is None
    assert ReplyCache(cache.folder, ["model", 2]).get(QUESTION) is None


def test_a_file_of_another_question_is_absent(cache):
    other = dataclasses.replace(QUESTION, messages=(("user", "Is it not?"),))
    cache.put(other, Completion("no"))
    paths = sorted(cache.folder.rglob("*.json"), key=lambda path: '"yes"' in path.read_text())
    paths[0].replace(paths[1])
    assert cache.get(QUESTION) is None


@pytest.mark.parametrize("value", [None, 3, ["yes"], {"a": 1}, "maybe"])
@pytest.mark.parametrize("name", ["text", "logprobs", "n_prompt_tokens", "n_reply_tokens"])
def test_changed_values_are_absent(cache, name, value):
    changed(cache, lambda content: content["completion"].update({name: value}))
    assert cache.get(QUESTION) is None


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"{}", b'{"sha256": 1}', b"\xff", b"[" * 100_000, b'{"a":' * 100_000],
)
def test_damaged_files_are_absent(cache, content):
    file_of(cache).write_bytes(content)
    assert cache.get(QUESTION) is None


def test_mutated_files_give_the_reply_or_nothing(cache):
    rng = np.random.default_rng(0)
    content = file_of(cache).read_bytes()
    n_absent = 0
    for _ in range(100):
        mutated = bytearray(content)
        mutated[rng.integers(len(mutated))] ^= 1 << rng.integers(8)
        file_of(cache).write_bytes(bytes(mutated))
        found = cache.get(QUESTION)
        assert found is None or found == REPLY
        n_absent += found is None
    assert n_absent > 60


def test_pipes_and_folders_are_absent(cache):
    path = file_of(cache)
    path.unlink()
    os.mkfifo(path)
    assert cache.get(QUESTION) is None
    path.unlink()
    path.mkdir()
    assert cache.get(QUESTION) is None


def test_what_is_absent_is_asked_again(tmp_path):
    def client(request):
        return "yes"

    client.identity = "yes-sayer"
    first = ManagedClient(client, cache_dir=tmp_path)
    first.complete(QUESTION)
    file_of(first._cache).write_bytes(b"{}")
    again = ManagedClient(client, cache_dir=tmp_path)
    assert again.complete(QUESTION).text == "yes" and again.n_calls == 1


def test_memory_is_bounded():
    memory = ReplyMemory()
    large = Completion("x" * (MOST_MEMORY_BYTES // 4))
    questions = [dataclasses.replace(QUESTION, max_tokens=n) for n in range(1, 9)]
    for question in questions:
        memory.put(question, large)
    kept = [memory.get(question) is not None for question in questions]
    assert kept == [False] * 5 + [True] * 3


def test_identities_fit_in_json(tmp_path):
    def client(request):
        return "yes"

    client.identity = object()
    with pytest.raises(TypeError, match="identity .* cannot be stored as JSON"):
        ManagedClient(client, cache_dir=tmp_path)
