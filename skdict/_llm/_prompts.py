"""Requests to language models, built from the wording in `_prompts.yaml`."""

from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files

import numpy as np
import yaml

from skdict._llm._requests import Request
from skdict._text import readable

LEVELS = tuple(str(level) for level in range(11))
# If fewer tokens than this fraction fire, the firing tokens are listed a second time.
SPARSE = 0.2
# Maximum number of characters of an unreadable reply that are sent back with the correction.
MOST_REPEATED = 2_000
TOP_LOGPROBS = 20
ESCAPES = str.maketrans({"\n": "\\n", "\t": "\\t", "\r": "\\r"})


@dataclass(frozen=True)
class ShownWindow:
    """Window as shown in prompts: its tokens, with their levels if known."""

    tokens: tuple
    levels: tuple = ()


@lru_cache(maxsize=1)
def wording():
    """Return the wording of all prompts."""
    text = files("skdict._llm").joinpath("_prompts.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def check_vocabulary(vocabulary):
    """Raise ValueError if there is no vocabulary to make tokens readable."""
    if vocabulary is None:
        raise ValueError(
            "the activations have no vocabulary, so a language model cannot read their tokens; "
            "pass Activations(..., vocabulary=pieces)"
        )


def readable_tokens(token_ids, vocabulary):
    """Return tokens as text, with tabs and line breaks escaped to keep the layout of prompts."""
    check_vocabulary(vocabulary)
    return tuple(readable(vocabulary[v]).translate(ESCAPES) for v in token_ids)


def explain_request(windows, *, n_shots, max_tokens, temperature):
    """Return a request for an explanation of a feature, from windows with levels."""
    words = wording()["explain"]
    messages = [("system", words["system"])]
    for number, shot in enumerate(_shots(n_shots), start=1):
        messages.append(("user", _records(number, shot["windows"])))
        messages.append(("assistant", f"{wording()['prefix']} {shot['explanation']}"))
    messages.append(("user", _records(n_shots + 1, windows)))
    return Request(
        tuple(messages),
        prefix=wording()["prefix"],
        max_tokens=max_tokens,
        temperature=temperature,
    )


def simulate_request(explanation, tokens, *, n_shots):
    """Return a request for the levels of all tokens at once, read from log-probabilities."""
    words = wording()["simulate"]
    unknown = words["unknown"]
    messages = [("system", words["system"])]
    for number, shot in enumerate(_shots(n_shots), start=1):
        window = shot["windows"][0]
        # The first levels are hidden, so that known levels may follow any slot.
        levels = [*[unknown] * 3, *window.levels[3:]]
        messages.append(("user", _levels(number, shot["explanation"], window.tokens, levels)))
    asked = _levels(n_shots + 1, explanation, tokens, [unknown] * len(tokens))
    messages.append(("user", asked))
    before = len(Request(tuple(messages)).text) - len(asked)
    head = words["feature"].format(number=n_shots + 1, explanation=explanation)
    slots, place = [], before + len(head) + 1
    for token in tokens:
        slots.append(place + len(token) + 1)
        place += len(token) + 1 + len(unknown) + 1
    return Request(tuple(messages), max_tokens=1, slots=tuple(slots), choices=LEVELS)


def simulate_token_request(explanation, tokens, last, *, n_shots):
    """Return a request for the level of one token, given only the text up to it."""
    words = wording()["simulate_token"]
    messages = [("system", words["system"])]
    for number, shot in enumerate(_shots(n_shots), start=1):
        window = shot["windows"][0]
        at = int(np.argmax(window.levels))
        messages.append(("user", _token(number, shot["explanation"], window.tokens, at)))
        messages.append(("assistant", str(window.levels[at])))
        messages.append(("user", _token(number, shot["explanation"], window.tokens, 0)))
        messages.append(("assistant", str(window.levels[0])))
    messages.append(("user", _token(n_shots + 1, explanation, tokens, last)))
    return Request(tuple(messages), max_tokens=1, top_logprobs=TOP_LOGPROBS, choices=LEVELS)


def simulate_json_request(explanation, tokens, *, n_shots):
    """Return a request for the levels of all tokens as a JSON object."""
    messages = [("system", wording()["simulate_json"]["system"])]
    for number, shot in enumerate(_shots(n_shots), start=1):
        window = shot["windows"][0]
        messages.append(("user", _numbered(number, shot["explanation"], window.tokens)))
        levels = ", ".join(str(level) for level in window.levels)
        messages.append(("assistant", f'{{"levels": [{levels}]}}'))
    messages.append(("user", _numbered(n_shots + 1, explanation, tokens)))
    return Request(tuple(messages), max_tokens=4 * len(tokens) + 32, json=True)


def judge_request(explanation, windows):
    """Return a request for verdicts on windows or, without an explanation, for the intruder."""
    words, n = wording()["judge"], len(windows)
    asked = [words["piece"].format(number=i, text=str(w)) for i, w in enumerate(windows, start=1)]
    if explanation is None:
        told = words["intruder"], words["answer_intruder"]
    else:
        told = words["detection" if windows[0].marked is None else "fuzzing"], words["answers"]
        asked = [words["explanation"].format(explanation=explanation), *asked]
    messages = (("system", f"{told[0]} {told[1].format(n=n)}"), ("user", "\n".join(asked)))
    return Request(messages, max_tokens=64 + 8 * n, json=True)


def correction(request, reply, reason):
    """Return a request extended by an unreadable reply and the reason why it was rejected."""
    asked = wording()["correct"].format(reason=reason)
    messages = (*request.messages, ("assistant", reply[:MOST_REPEATED]), ("user", asked))
    return replace(request, messages=messages)


def _shots(n_shots):
    return [
        shot | {"windows": [ShownWindow(*zip(*window, strict=True)) for window in shot["windows"]]}
        for shot in wording()["examples"][:n_shots]
    ]


def _records(number, windows):
    words = wording()["explain"]
    levels = np.concatenate([window.levels for window in windows])
    parts = [words["feature"].format(number=number), *(_lines(words["window"], w) for w in windows)]
    if np.mean(levels > 0) < SPARSE:
        parts += [_lines(words["active"], w, only_active=True) for w in windows if any(w.levels)]
    return "\n".join([*parts, words["ask"].format(number=number)])


def _lines(head, window, only_active=False):
    pairs = zip(window.tokens, window.levels, strict=True)
    lines = [f"{token}\t{level}" for token, level in pairs if level or not only_active]
    return "\n".join([head, *lines])


def _levels(number, explanation, tokens, levels):
    head = wording()["simulate"]["feature"].format(number=number, explanation=explanation)
    lines = (f"{token}\t{level}" for token, level in zip(tokens, levels, strict=True))
    return "\n".join([head, *lines])


def _token(number, explanation, tokens, last):
    return wording()["simulate_token"]["feature"].format(
        number=number,
        explanation=explanation,
        text="".join(tokens[: last + 1]),
        token=tokens[last],
    )


def _numbered(number, explanation, tokens):
    head = wording()["simulate_json"]["feature"].format(
        number=number, explanation=explanation, n_tokens=len(tokens)
    )
    return "\n".join([head, *(f"{i}\t{token}" for i, token in enumerate(tokens))])
