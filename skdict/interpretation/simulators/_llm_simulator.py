"""Simulator that predicts codes with a language model."""

import numpy as np

from skdict._llm import (
    ReplyError,
    ask,
    expected_level,
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
    r"""Simulator that predicts codes from the text of an explanation with a language model.

    The language model is given the explanation and a window of text, and predicts how strongly
    the feature fires on each token, on the scale from 0 to 10 that explanations are written from.
    With log-probabilities the prediction is the expected level
    :math:`\sum_v v\,p(v) / \sum_v p(v)` over v = 0, ..., 10.

    Parameters
    ----------
    client : client or callable
        `OpenAIClient`, `TransformersClient` or a function. Wrap it in a `ManagedClient` for a
        cache on disk and a budget.
    method : {"all_at_once", "token_by_token", "json"}, default="all_at_once"
        How to obtain predictions. "all_at_once" reads the log-probabilities of the levels of all
        tokens of a window from one prompt; it requires an endpoint that returns log-probabilities
        of prompt tokens (vLLM, `TransformersClient`). "token_by_token" sends one request per
        token and requires log-probabilities of reply tokens. "json" requires neither: the reply
        is a list of levels. If the tokenizer splits 10 into two tokens, "token_by_token" reads 10
        as 1 on endpoints; `TransformersClient` reads it exactly.
    n_shots : int, default=3
        Number of worked examples in the prompt, from 0 to 3.
    n_attempts : int, default=2
        Maximum number of requests per window if a JSON reply cannot be read.
    control : bool, default=True
        If True, run the shuffled-explanation control as well, which doubles the number of
        requests. Its mean score is `shuffled` in the report.
    calibration : {"linear", "quantile"} or None, default=None
        Method that maps predictions to the scale of the codes. None leaves predictions on the
        scale from 0 to 10.

    Notes
    -----
    Each feature is calibrated on windows that are used neither to explain nor to score. "linear"
    fits a least-squares line, :math:`\hat c = a + b s`, and preserves the absolute correlation.
    "quantile" maps quantiles of the predictions to quantiles of the codes, and preserves ranks.
    The correlation needs no calibration; explained square and explained deviation (`Simulation`)
    do.

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
        """Predict the codes of a feature in windows of text.

        Parameters
        ----------
        explanation : Explanation
            Explanation of the feature.
        records : list of Record
            Windows, of which only the tokens are shown to the language model.
        vocabulary : sequence of str
            Readable text of each token id.

        Returns
        -------
        list of ndarray
            Predictions in each window, on a scale from 0 to 10.

        Raises
        ------
        TypeError, ValueError
            If a parameter has the wrong type or is out of range, `vocabulary` is None, or a reply
            cannot be read.
        ClientError, BudgetSpentError
            If no reply is received.
        """
        self.check()
        client, simulate = self._managed(), getattr(self, f"_{self.method}")
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
    """Return the expected level of each token, or raise if log-probabilities are missing."""
    found = completion.logprobs or ()
    if len(found) < n_tokens or any(at is None for at in found[:n_tokens]):
        n_found = sum(at is not None for at in found)
        raise ReplyError(
            f"the reply has log-probabilities for {n_found} of {n_tokens} tokens; use an endpoint "
            f'that returns them for all tokens, or method="json"',
            repr(completion),
        )
    try:
        return np.array([expected_level(at) for at in found[:n_tokens]])
    except ReplyError as error:
        raise ReplyError(str(error), repr(completion)) from None
