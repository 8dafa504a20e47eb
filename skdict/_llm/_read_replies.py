"""Strict parsing of replies: a reply that cannot be read is an error, never a zero."""

import math
import re

import numpy as np

from skdict._llm._answers import last_line, last_object
from skdict._llm._completion_check import is_logprob
from skdict._llm._errors import ReplyError
from skdict._llm._prompts import LEVELS, wording
from skdict._text import printable

MOST_CHARACTERS = 600
# Probabilities of the candidates at one position sum to at most 1, up to rounding.
MOST_PROBABILITY = 1.05


def read_explanation(text):
    r"""Return the explanation in a reply, with escape sequences made visible.

    Raises
    ------
    ReplyError
        If no line begins with the prefix, a draft interrupts it, or nothing follows it.
    """
    words = wording()
    stop = re.compile(
        re.escape(words["explain"]["feature"]).replace(r"\{number\}", r"\d+") + r"\s*$"
    )
    return printable(last_line(text, words["prefix"], stop))[:MOST_CHARACTERS]


def read_levels(text, n_tokens):
    """Return the levels in a JSON reply.

    Raises
    ------
    ReplyError
        If the reply is not a JSON object whose list "levels" has one number from 0 to 10 per
        token.
    """
    levels = last_object(text, "levels")["levels"]
    if not isinstance(levels, list):
        raise ReplyError('there is no list "levels"', text)
    if len(levels) != n_tokens:
        raise ReplyError(f"there are {len(levels)} levels for {n_tokens} tokens", text)
    for level in levels:
        if isinstance(level, bool) or not isinstance(level, (int, float)) or not 0 <= level <= 10:
            raise ReplyError(f"{level!r} is not a level from 0 to 10", text)
    return np.array(levels, dtype=np.float64)


def read_answers(text, n_windows):
    """Return the verdicts in a JSON reply, 1 for yes and 0 for no.

    Raises
    ------
    ReplyError
        If the reply is not a JSON object whose list "answers" has one number, 0 or 1, per window.
    """
    answers = last_object(text, "answers")["answers"]
    if not isinstance(answers, list):
        raise ReplyError('there is no list "answers"', text)
    if len(answers) != n_windows:
        raise ReplyError(f"there are {len(answers)} answers for {n_windows} pieces", text)
    if any(isinstance(a, float) or a not in (0, 1) for a in answers):
        raise ReplyError("an answer is neither 0 nor 1", text)
    return np.array(answers, dtype=np.float64)


def read_intruder(text, n_windows):
    """Return 0 for the window named in a JSON reply and 1 for the others.

    Raises
    ------
    ReplyError
        If the reply is not a JSON object with an integer "intruder" from 1 to the number of
        windows.
    """
    number = last_object(text, "intruder")["intruder"]
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= n_windows:
        raise ReplyError(f'"intruder" is {number!r}, not a number from 1 to {n_windows}', text)
    return np.where(np.arange(1, n_windows + 1) == number, 0.0, 1.0)


def expected_level(logprobs):
    r"""Return the expected level given the log-probabilities of candidate tokens.

    The expected level is :math:`\sum_v v\,p(v) / \sum_v p(v)` over the candidates whose text is a
    number from 0 to 10.

    Parameters
    ----------
    logprobs : dict of str to float or None
        Log-probability of each candidate by its text.

    Returns
    -------
    float
        Expected level from 0 to 10.

    Raises
    ------
    ReplyError
        If no candidate is a level, or a log-probability is invalid.
    """
    weights = np.zeros(len(LEVELS))
    for text, logprob in (logprobs or {}).items():
        if not is_logprob(logprob):
            raise ReplyError(
                f"{logprob!r} is not a log-probability, which is at most 0", repr(logprobs)
            )
        if text.strip() in LEVELS:
            weights[int(text)] += math.exp(logprob)
    total = weights.sum()
    if total <= 0:
        raise ReplyError("no number from 0 to 10 is among the log-probabilities", repr(logprobs))
    if total > MOST_PROBABILITY:
        raise ReplyError(
            f"the probabilities of the numbers from 0 to 10 sum to {total:.3g}, more than 1",
            repr(logprobs),
        )
    return float(weights @ np.arange(len(LEVELS)) / total)
