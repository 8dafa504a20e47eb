"""A language model judges windows of text."""

import json

import numpy as np
from sklearn.base import BaseEstimator

from skdict._validation import check_number
from skdict.interpretation._asking import ask
from skdict.interpretation._client import Failure, ReplyError, Request
from skdict.interpretation._client_managed import managed

DETECTION = (
    "You are told what a feature of a language model fires on, and shown numbered pieces of text. "
    "Say for each whether the feature fires anywhere in it."
)
FUZZING = (
    "You are told what a feature of a language model fires on, and shown numbered pieces of text "
    "with some tokens in << >>. Say for each whether all of these are tokens that the feature "
    "fires on."
)
ANSWER = (
    'Answer with a JSON object {{"answers": [...]}} and nothing else: {n} numbers, 1 for yes and 0 '
    "for no, in the order of the pieces."
)
INTRUDER = (
    "You are shown numbered pieces of text with some tokens in << >>. In all but one of them these "
    "tokens have something in common. Say which piece does not belong."
)
ANSWER_INTRUDER = (
    'Answer with a JSON object {{"intruder": number}} and nothing else: a whole number from 1 '
    "to {n}."
)


class LLMJudge(BaseEstimator):
    """Let a language model judge windows.

    Without marks it is asked whether the feature fires in each window (detection); with marks,
    whether they fit (fuzzing); without an explanation, which window does not belong (intruder). It
    is shown all windows of a call at once. A reply that cannot be read gives no verdict on any of
    them, and is kept.

    Parameters
    ----------
    client : client or callable
        `OpenAIClient`, `TransformersClient`, a function, or one of them in a `ManagedClient`,
        which has a cache and a budget.
    n_attempts : int, default=2
        How often windows are tried if the reply cannot be read.

    Attributes
    ----------
    failures_ : list of Failure
        What could not be read so far, with the raw reply.

    Examples
    --------
    >>> from skdict.interpretation import LLMJudge, Window
    >>> judge = LLMJudge(lambda request: '{"answers": [1, 0]}')
    >>> windows = [Window.from_text("a cat ran"), Window.from_text("it rained")]
    >>> judge.judge("cats", windows).tolist()
    [1.0, 0.0]
    """

    def __init__(self, client, *, n_attempts=2):
        self.client = client
        self.n_attempts = n_attempts

    def judge(self, explanation, windows):
        """Ask about windows.

        Parameters
        ----------
        explanation : Explanation, str or None
            What to judge by.
        windows : sequence of Window
            What to judge; either all have marks or none.

        Returns
        -------
        ndarray of float, shape (n_windows,)
            1 for yes and 0 for no; without an explanation 0 for the intruder and 1 for the
            others; nan where there is no verdict.

        Raises
        ------
        ClientError
            If the endpoint refuses every question.
        TypeError, ValueError
            If a parameter is of the wrong kind or out of bounds.
        """
        check_number("n_attempts", self.n_attempts, low=1, integer=True)
        n = len(windows)
        read = _read_intruder if explanation is None else _read_answers
        said = ask(
            managed(self.client),
            _request(getattr(explanation, "text", explanation), windows),
            lambda completion: read(completion.text, n),
            stage="judge",
            n_attempts=self.n_attempts,
        )
        if isinstance(said, Failure):
            self.failures_ = [*getattr(self, "failures_", []), said]
            return np.full(n, np.nan)
        return said


def _request(explanation, windows):
    n = len(windows)
    pieces = "\n".join(f"{i}. {str(window)!r}" for i, window in enumerate(windows, start=1))
    if explanation is None:
        system, asked = f"{INTRUDER} {ANSWER_INTRUDER.format(n=n)}", pieces
    else:
        task = DETECTION if windows[0].marked is None else FUZZING
        system, asked = f"{task} {ANSWER.format(n=n)}", f"Fires on: {explanation}\n{pieces}"
    return Request((("system", system), ("user", asked)), max_tokens=16 + 4 * n, json=True)


def _read_answers(text, n):
    answers = _json(text).get("answers")
    if not isinstance(answers, list):
        raise ReplyError('there is no list "answers"', text)
    if len(answers) != n:
        raise ReplyError(f"there are {len(answers)} answers for {n} pieces", text)
    if any(isinstance(a, float) or a not in (0, 1) for a in answers):
        raise ReplyError("an answer is neither 0 nor 1", text)
    return np.array(answers, dtype=np.float64)


def _read_intruder(text, n):
    number = _json(text).get("intruder")
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= n:
        raise ReplyError(f'"intruder" is {number!r}, no number from 1 to {n}', text)
    return np.where(np.arange(1, n + 1) == number, 0.0, 1.0)


def _json(text):
    start = text.find("{")
    if start < 0:
        raise ReplyError("there is no JSON object", text)
    try:
        return json.JSONDecoder().raw_decode(text[start:])[0]
    except ValueError as error:
        raise ReplyError(f"the JSON object is broken or cut off ({error})", text) from None
