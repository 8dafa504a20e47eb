"""What language models answer, read strictly: what cannot be read is an error, never a zero."""

import json
import math
import re

import numpy as np

from skdict.interpretation._client import ReplyError
from skdict.interpretation._prompts import LEVELS, wording

MOST_CHARACTERS = 600


def read_explanation(text):
    """Return the sentence of a reply.

    Raises
    ------
    ReplyError
        If no line begins as was asked, or nothing follows.
    """
    prefix = wording()["prefix"]
    lines = [line.strip().strip("*") for line in text.split("\n")]
    found = [line[len(prefix) :].strip(" *") for line in lines if _begins(line, prefix)]
    if not found:
        raise ReplyError(f"no line begins with {prefix!r}", text)
    if not re.search(r"\w", found[0]):
        raise ReplyError(f"nothing follows {prefix!r}", text)
    return found[0][:MOST_CHARACTERS]


def read_levels(text, n_tokens):
    """Return the levels of a JSON reply.

    Raises
    ------
    ReplyError
        If it is no JSON object with a list "levels" of as many numbers from 0 to 10.
    """
    levels = _object(text).get("levels")
    if not isinstance(levels, list):
        raise ReplyError('there is no list "levels"', text)
    if len(levels) != n_tokens:
        raise ReplyError(f"there are {len(levels)} levels for {n_tokens} tokens", text)
    for level in levels:
        if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 <= level <= 10:
            raise ReplyError(f"{level!r} is no level from 0 to 10", text)
    return np.array(levels, dtype=np.float64)


def read_answers(text, n_windows):
    """Return the verdicts of a JSON reply, 1 for yes and 0 for no.

    Raises
    ------
    ReplyError
        If it is no JSON object with a list "answers" of as many numbers 0 or 1.
    """
    answers = _object(text).get("answers")
    if not isinstance(answers, list):
        raise ReplyError('there is no list "answers"', text)
    if len(answers) != n_windows:
        raise ReplyError(f"there are {len(answers)} answers for {n_windows} pieces", text)
    if any(isinstance(a, float) or a not in (0, 1) for a in answers):
        raise ReplyError("an answer is neither 0 nor 1", text)
    return np.array(answers, dtype=np.float64)


def read_intruder(text, n_windows):
    """Return 0 for the window that a JSON reply names, and 1 for the others.

    Raises
    ------
    ReplyError
        If it is no JSON object with a whole number "intruder" from 1 to the number of windows.
    """
    number = _object(text).get("intruder")
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= n_windows:
        raise ReplyError(f'"intruder" is {number!r}, no number from 1 to {n_windows}', text)
    return np.where(np.arange(1, n_windows + 1) == number, 0.0, 1.0)


def expected_level(logprobs):
    r"""Return the expected level by the log-probabilities of what could stand there.

    :math:`\sum_v v\,p(v) / \sum_v p(v)` over the candidates that read as one of 0 to 10.

    Parameters
    ----------
    logprobs : dict of str to float or None
        By the text of the candidate.

    Returns
    -------
    float

    Raises
    ------
    ReplyError
        If none is a level.
    """
    weights = np.zeros(len(LEVELS))
    for text, logprob in (logprobs or {}).items():
        if text.strip() in LEVELS and math.isfinite(logprob):
            weights[int(text)] += math.exp(logprob)
    if weights.sum() <= 0:
        raise ReplyError(
            "no number from 0 to 10 is among the log-probabilities", json.dumps(logprobs)
        )
    return float(weights @ np.arange(len(LEVELS)) / weights.sum())


def _object(text):
    """Return the first JSON object in a text."""
    start = text.find("{")
    if start < 0:
        raise ReplyError("there is no JSON object", text)
    try:
        return json.JSONDecoder().raw_decode(text[start:])[0]
    except ValueError as error:
        raise ReplyError(f"the JSON object is broken or cut off ({error})", text) from None


def _begins(line, prefix):
    return line[: len(prefix)].lower() == prefix.lower()
