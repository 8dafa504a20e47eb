"""What language models answer, read strictly: what cannot be read is an error, never a zero."""

import math
import re

import numpy as np

from skdict._llm._answers import last_line, last_object
from skdict._llm._completion_check import is_logprob
from skdict._llm._errors import ReplyError
from skdict._llm._prompts import LEVELS, wording
from skdict._text import printable

MOST_CHARACTERS = 600
# The candidates of one place cannot be likelier than 1 together, but are rounded.
MOST_PROBABILITY = 1.05


def read_explanation(text):
    r"""Return the sentence of a reply, escape sequences written out.

    Raises
    ------
    ReplyError
        If no line begins as was asked, a draft interrupts it, or nothing follows.
    """
    words = wording()
    stop = re.compile(
        re.escape(words["explain"]["feature"]).replace(r"\{number\}", r"\d+") + r"\s*$"
    )
    return printable(last_line(text, words["prefix"], stop))[:MOST_CHARACTERS]


def read_levels(text, n_tokens):
    """Return the levels of a JSON reply.

    Raises
    ------
    ReplyError
        If it is no JSON object with a list "levels" of as many numbers from 0 to 10.
    """
    levels = last_object(text, "levels")["levels"]
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
    answers = last_object(text, "answers")["answers"]
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
    number = last_object(text, "intruder")["intruder"]
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
        if not is_logprob(logprob):
            raise ReplyError(
                f"{logprob!r} is no log-probability, which is at most 0", repr(logprobs)
            )
        if text.strip() in LEVELS:
            weights[int(text)] += math.exp(logprob)
    total = weights.sum()
    if total <= 0:
        raise ReplyError("no number from 0 to 10 is among the log-probabilities", repr(logprobs))
    if total > MOST_PROBABILITY:
        raise ReplyError(
            f"the numbers from 0 to 10 have the probability {total:.3g} together, more than 1",
            repr(logprobs),
        )
    return float(weights @ np.arange(len(LEVELS)) / total)
