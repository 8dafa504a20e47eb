"""The last complete answer of a reply counts, and a draft is none."""

import numpy as np
import pytest

from skdict._llm._errors import ReplyError
from skdict._llm._read_replies import (
    read_answers,
    read_explanation,
    read_intruder,
    read_levels,
)

# Each reply, and what it says; None where it does not say it clearly.
SENTENCES = [
    ("Fires on: cats", "cats"),
    ("<think>\nFires on: dogs? no.\n</think>\nFires on: cats", "cats"),
    ("<think>Fires on: dogs</think>Fires on: cats", "cats"),
    ("Hm. Fires on: dogs</think>\nFires on: cats", "cats"),
    ("<think>a<think>b</think>\nFires on: dogs</think>\nFires on: cats", "cats"),
    ("<THINKING depth='3'>\nFires on: dogs\n</Thinking>\nFires on: cats", "cats"),
    ("<reasoning>\nFires on: dogs\n</reasoning>\n**Fires on: cats**", "cats"),
    ("[THINK]Fires on: dogs[/THINK]Fires on: cats", "cats"),
    ("Fires on: <think>dogs?</think> cats", "cats"),
    ("Fires on: dogs <think>no</think> Fires on: cats", "cats"),
    ("Fires on: cats <think>sure?</think>", "cats"),
    ("Fires on: cats\n<think>Fires on: do", "cats"),
    ("Fires on: dogs\n\nOn reflection:\n\nFires on: cats", "cats"),
    ("```text\nFires on: cats\n```", "cats"),
    ("`Fires on: cats`", "cats"),
    ("> - **Fires on:** cats", "cats"),
    ("Sure! Fires on: cats", "cats"),
    ("Feature 4\nfires on: cats", "cats"),
    # A model that continues a text makes up the next question.
    ("Fires on: cats\nFeature 5\nText:\n dog\t10\nFires on: dogs", "cats"),
    ("Fires on: the token ' w3'", "the token ' w3'"),
    ("Fires on: \x1b[31mred\u202e", r"\x1b[31mred\u202e"),
    ("<think>\nFires on: dogs", None),
    ("Fires on: cats <think>or do", None),
    ("Fires on: the <think> and </think> tags", None),
    ("<think>Fires on: dogs</think>", None),
    ("Fires on:", None),
    ("x" * 2_000_000 + "\nFires on: cats", None),
    ("", None),
]
LEVELS = [
    ('{"levels": [0, 1]}', [0, 1]),
    ('<think>{"levels":[9,9]}</think>{"levels":[0,1]}', [0, 1]),
    ('{"levels":[9,9]}\n</think>\n{"levels":[0,1]}', [0, 1]),
    ('{"levels":[9,9]}, or rather {"levels":[0,1]}', [0, 1]),
    ('{"levels":[0,1]} {"levels":[9,', [0, 1]),
    ('{"levels":[0,1]} {"note": "done"}', [0, 1]),
    ('{"draft": {"levels":[9,9]}, "levels":[0,1]}', [0, 1]),
    ('{"note": "} {", "levels":[0,1]}', [0, 1]),
    ('The set {a, b} gives "{"levels":[0,1]}".', [0, 1]),
    ('Here it is:\n```json\n{\n "levels": [0, 1]\n}\n```\nAs asked.', [0, 1]),
    # What a cut-off object holds is no answer.
    ('{"draft": {"levels":[9,9]}, "levels":[0', None),
    ('{"levels":[9,9]} {"levels":[0,,1]}', None),
    ('<think>{"levels":[9,9]}', None),
    ('{"levels": [0, NaN]}', None),
    ('{"levels": [0, Infinity]}', None),
    ('{"levels": [0, true]}', None),
    ('{"levels": [0, "1"]}', None),
    ('{"levels": [0]}', None),
    ('{"levels": 3}', None),
    ("[0, 1]", None),
]


@pytest.mark.parametrize(("reply", "expected"), SENTENCES, ids=range(len(SENTENCES)))
def test_sentences(reply, expected):
    if expected is not None:
        assert read_explanation(reply) == expected
        return
    with pytest.raises(ReplyError) as caught:
        read_explanation(reply)
    assert caught.value.raw == reply and len(str(caught.value)) <= 500


@pytest.mark.parametrize(("reply", "expected"), LEVELS, ids=range(len(LEVELS)))
def test_levels(reply, expected):
    if expected is not None:
        assert read_levels(reply, 2).tolist() == expected
        return
    with pytest.raises(ReplyError) as caught:
        read_levels(reply, 2)
    assert caught.value.raw == reply


def test_verdicts_have_drafts_too():
    draft = '<think>{"answers": [0, 0], "intruder": 1}</think>'
    assert read_answers(draft + '{"answers": [1, 0]}', 2).tolist() == [1, 0]
    assert read_intruder(draft + '{"intruder": 2}', 3).tolist() == [1, 0, 1]
    for reply in ('{"answers": [1, 0.0]}', '{"answers": [1, [0]]}', '{"answers": [1, 2]}'):
        with pytest.raises(ReplyError):
            read_answers(reply, 2)


@pytest.mark.parametrize("piece", ["{", '{"a":', '{"', '"\\"', "<think>", "</think>", "<", "\\"])
def test_long_replies_take_no_time(piece):
    reply = piece * (400_000 // len(piece))
    for read in (read_explanation, lambda text: read_levels(text, 2)):
        with pytest.raises(ReplyError):
            read(reply)


def test_random_replies_are_read_or_refused():
    rng = np.random.default_rng(0)
    pieces = ["<think>", "</think>", "Fires on:", " cats", "\n", "{", "}", '"levels"', ":", "[0,1]"]
    pieces += [" ", "```", "\\", '"', "\x00", "\x01", "\u202e", "é"]
    n_read = 0
    for _ in range(1500):
        reply = "".join(rng.choice(pieces, rng.integers(1, 25)))
        for read in (read_explanation, lambda text: read_levels(text, 2)):
            try:
                found = read(reply)
            except ReplyError:
                continue
            n_read += 1
            assert (found.isprintable() and found) if isinstance(found, str) else len(found) == 2
    assert n_read > 100
