"""A language model predicts codes from what a feature is said to fire on."""

import numpy as np

from skdict._llm import (
    ReplyError,
    ask,
    expected_level,
    managed,
    read_levels,
    readable_tokens,
    simulate_json_request,
    simulate_request,
    simulate_token_request,
)
from skdict._validation import check_choice, check_flag, check_number
from skdict.interpretation.simulators._calibration import CALIBRATIONS
from skdict.interpretation.strategies import ClientStrategy

METHODS = ("all_at_once", "token_by_token", "json")


class LLMSimulator(ClientStrategy):
    r"""Let a language model predict, token by token, how strongly a feature fires.

    It is told the explanation and shown a window. Each prediction is on the scale from 0 to 10
    that explanations are written from; with log-probabilities it is the expected level
    :math:`\sum_v v\,p(v) / \sum_v p(v)`, v = 0, ..., 10.

    Parameters
    ----------
    client : client or callable
        `OpenAIClient`, `TransformersClient`, a function, or one of them in a `ManagedClient`,
        which has a cache and a budget.
    method : {"all_at_once", "token_by_token", "json"}, default="all_at_once"
        "all_at_once" reads all tokens of a window off one prompt, by the log-probabilities in the
        places of the levels; it needs an endpoint that gives log-probabilities of prompts (vLLM,
        `TransformersClient`). "token_by_token" asks once for each token, and needs
        log-probabilities of replies. "json" needs neither: the reply is a list of levels.
        A tokenizer that splits 10 in two makes "token_by_token" read it as 1 on endpoints;
        `TransformersClient` reads it exactly.
    n_shots : int, default=3
        Worked examples shown first, 0 to 3.
    n_attempts : int, default=2
        How often a window is tried if a JSON reply cannot be read.
    control : bool, default=True
        Whether explanations exchanged between features are simulated, too, for `shuffled` of the
        report: as many calls again.
    calibration : {"linear", "quantile"} or None, default=None
        Map predictions to the scale of the codes; None leaves them on the scale from 0 to 10.

    Notes
    -----
    A calibration is fitted for each feature on windows that are neither explained nor scored.
    "linear" is least squares, :math:`\hat c = a + b s`, and leaves the absolute correlation as it
    is; "quantile" takes quantiles of predictions to quantiles of codes, and leaves ranks as they
    are. Correlation needs no calibration; explained square and deviation (`Simulation`) do.

    References
    ----------
    Bills et al. (2023), "Language models can explain neurons in language models".
    """

    def __init__(
        self,
        client,
        *,
        method="all_at_once",
        n_shots=3,
        n_attempts=2,
        control=True,
        calibration=None,
    ):
        self.client = client
        self.method = method
        self.n_shots = n_shots
        self.n_attempts = n_attempts
        self.control = control
        self.calibration = calibration

    def _check_params(self):
        check_choice("method", self.method, METHODS)
        check_number("n_shots", self.n_shots, low=0, high=3, integer=True)
        check_number("n_attempts", self.n_attempts, low=1, integer=True)
        check_flag("control", self.control)
        check_choice("calibration", self.calibration, (*CALIBRATIONS, None))

    def simulate(self, explanation, records, vocabulary):
        """Predict the codes of a feature in some windows.

        Parameters
        ----------
        explanation : Explanation
            What the feature fires on.
        records : list of Record
            The windows; only their tokens are shown.
        vocabulary : sequence of str
            Readable piece of each token id.

        Returns
        -------
        list of ndarray
            The predictions in each window, on a scale from 0 to 10.

        Raises
        ------
        TypeError, ValueError
            If a parameter is of the wrong kind or out of bounds, there is no vocabulary, or a reply
            cannot be read.
        ClientError, BudgetSpentError
            If there is no reply.
        """
        self.check()
        client, simulate = managed(self.client), getattr(self, f"_{self.method}")
        return [
            simulate(client, explanation.text, readable_tokens(record.token_ids, vocabulary))
            for record in records
        ]

    def _all_at_once(self, client, text, tokens):
        request = simulate_request(text, tokens, n_shots=self.n_shots)
        return ask(client, request, lambda completion: _levels(completion, len(tokens)))

    def _token_by_token(self, client, text, tokens):
        requests = (
            simulate_token_request(text, tokens, last, n_shots=self.n_shots)
            for last in range(len(tokens))
        )
        return np.array([ask(client, r, lambda c: _levels(c, 1)[0]) for r in requests])

    def _json(self, client, text, tokens):
        request = simulate_json_request(text, tokens, n_shots=self.n_shots)
        return ask(
            client,
            request,
            lambda completion: read_levels(completion.text, len(tokens)),
            n_attempts=self.n_attempts,
        )


def _levels(completion, n_tokens):
    """Return expected levels by log-probabilities, or say which there are not."""
    found = completion.logprobs or ()
    if len(found) < n_tokens or any(at is None for at in found[:n_tokens]):
        n_found = sum(at is not None for at in found)
        raise ReplyError(
            f"there are log-probabilities at {n_found} of {n_tokens} places; use an endpoint that "
            f'gives them, or method="json"',
            repr(completion),
        )
    try:
        return np.array([expected_level(at) for at in found[:n_tokens]])
    except ReplyError as error:
        raise ReplyError(str(error), repr(completion)) from None
