"""A language model says what features fire on."""

from dataclasses import replace

import numpy as np

from skdict._llm import (
    ReplyError,
    ShownWindow,
    ask,
    explain_request,
    managed,
    read_explanation,
    readable_tokens,
)
from skdict._validation import check_number
from skdict.inspection.evidence import RecordCollector
from skdict.interpretation.explainers._explanation import Explanation
from skdict.interpretation.strategies import ClientStrategy


class LLMExplainer(ClientStrategy):
    r"""Let a language model explain each feature from the windows in which it is strongest.

    It is shown the tokens of `n_examples` windows, each with its code as a whole number
    :math:`\min(10, \lfloor 10 \max(c, 0) / c_{max} \rfloor)`, where :math:`c_{max}` is the largest
    code of these windows. Where fewer than a fifth of the numbers are above 0, the tokens above 0
    are listed again by themselves.

    Parameters
    ----------
    client : client or callable
        `OpenAIClient`, `TransformersClient`, a function, or one of them in a `ManagedClient`,
        which has a cache and a budget.
    n_examples : int, default=5
        Windows that are shown, at most one of each document.
    window : int, default=64
        Tokens in a window.
    n_shots : int, default=3
        Worked examples shown first, 0 to 3.
    max_tokens : int, default=100
        Most tokens in a reply.
    temperature : float, default=0.0
        Of the reply.
    n_attempts : int, default=2
        How often a feature is tried if the reply cannot be read.

    See Also
    --------
    LLMSimulator : Predicts codes from such an explanation.

    References
    ----------
    Bills et al. (2023), "Language models can explain neurons in language models".

    Examples
    --------
    >>> from skdict.inspection.evidence import TokenBlock
    >>> from skdict.interpretation import LLMExplainer
    >>> from scipy.sparse import csc_array
    >>> tokens = TokenBlock([0, 0], [0, 1], [0, 1], vocabulary=[" a", " b"])
    >>> explainer = LLMExplainer(lambda request: "Fires on: the letter b")
    >>> print(explainer.explain(csc_array([[0.0], [1.0]]), tokens)[0])
    the letter b [llm]
    """

    name = "llm"

    def __init__(
        self,
        client,
        *,
        n_examples=5,
        window=64,
        n_shots=3,
        max_tokens=100,
        temperature=0.0,
        n_attempts=2,
    ):
        self.client = client
        self.n_examples = n_examples
        self.window = window
        self.n_shots = n_shots
        self.max_tokens = max_tokens
        self.temperature = temperature
        self.n_attempts = n_attempts

    def explain(self, codes, tokens):
        """Explain features from the documents set aside for it.

        Parameters
        ----------
        codes : csc_array of shape (n_tokens, n_features)
            Codes, none below 0.
        tokens : TokenBlock
            The tokens, in whole documents, with a vocabulary.

        Returns
        -------
        list of Explanation
            One for each column.

        Raises
        ------
        TypeError, ValueError
            If a parameter is of the wrong kind or out of bounds, there is no vocabulary, a feature
            never fires, or the reply on one cannot be read.
        ClientError, BudgetSpentError
            If there is no reply on one.
        """
        self.check()
        windows = self.records_of(codes, tokens)
        explained = managed(self.client).map(
            lambda own: self.explain_records(own, tokens.vocabulary), windows
        )
        return [replace(explanation, feature=j) for j, explanation in enumerate(explained)]

    def records_of(self, codes, tokens):
        """Return the windows to explain each feature from: those in which it is strongest.

        Parameters
        ----------
        codes : csc_array of shape (n_tokens, n_features)
            Codes, none below 0.
        tokens : TokenBlock
            The tokens, in whole documents.

        Returns
        -------
        list of (list of Record)
            For each column.
        """
        wanted = {"n_top": self.n_examples, "n_random": 0, "n_silent": 0}
        collector = RecordCollector(codes.shape[1], window=self.window, **wanted)
        return [found.top for found in collector.update(codes, tokens).records()]

    def explain_records(self, records, vocabulary):
        """Explain one feature from windows chosen before.

        Parameters
        ----------
        records : list of Record
            Windows of the feature.
        vocabulary : sequence of str
            Readable piece of each token id.

        Returns
        -------
        Explanation
            Of feature 0.

        Raises
        ------
        TypeError, ValueError
            If a parameter is of the wrong kind or out of bounds, there is no vocabulary or no
            window, or the reply cannot be read.
        ClientError, BudgetSpentError
            If there is no reply.
        """
        if not records:
            raise ReplyError("there is no window in which the feature fires", "")
        levels = quantize([record.codes for record in records])
        windows = [
            ShownWindow(readable_tokens(record.token_ids, vocabulary), tuple(found.tolist()))
            for record, found in zip(records, levels, strict=True)
        ]
        request = explain_request(
            windows,
            n_shots=self.n_shots,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
        )
        said = ask(
            managed(self.client),
            request,
            lambda completion: read_explanation(completion.text),
            n_attempts=self.n_attempts,
        )
        return Explanation(0, self.name, 0, 0, said, ())

    def _check_params(self):
        for name in ("n_examples", "window", "max_tokens", "n_attempts"):
            check_number(name, getattr(self, name), low=1, integer=True)
        check_number("n_shots", self.n_shots, low=0, high=3, integer=True)
        check_number("temperature", self.temperature, low=0)


def quantize(windows):
    """Return codes as whole levels from 0 to 10, 10 being the largest code of all windows.

    Parameters
    ----------
    windows : list of ndarray
        The codes of one feature in windows that are shown together.

    Returns
    -------
    list of ndarray of int
        ``min(10, floor(10 max(c, 0) / c_max))``; all 0 where no code is positive.
    """
    largest = max((float(np.max(codes, initial=0.0)) for codes in windows), default=0.0)
    if largest <= 0:
        return [np.zeros(len(codes), dtype=int) for codes in windows]
    shares = (np.maximum(np.asarray(codes, dtype=np.float64), 0) / largest for codes in windows)
    # A share that is 0.3 but for its last bit is level 3.
    return [np.minimum(10, np.floor(10 * share + 1e-6)).astype(int) for share in shares]
