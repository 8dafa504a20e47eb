"""Explainer that queries a language model."""

from dataclasses import replace

import numpy as np

from skdict._llm import (
    ReplyError,
    ShownWindow,
    ask,
    explain_request,
    read_explanation,
    readable_tokens,
)
from skdict._validation import check_number
from skdict.inspection.evidence import RecordCollector
from skdict.interpretation.explainers._explanation import Explanation
from skdict.interpretation.strategies import ClientStrategy


class LLMExplainer(ClientStrategy):
    r"""Explainer that asks a language model what each feature fires on.

    The language model is shown the tokens of the `n_examples` windows with the largest codes.
    Next to each token stands its code as an integer level
    :math:`\min(10, \lfloor 10 \max(c, 0) / c_{max} \rfloor)`, where :math:`c_{max}` is the largest
    code in these windows. If fewer than a fifth of the levels are above 0, the tokens with
    positive levels are listed a second time on their own.

    Parameters
    ----------
    client : client or callable
        `OpenAIClient`, `TransformersClient` or a function. Wrap it in a `ManagedClient` for a
        cache on disk and a budget.
    n_examples : int, default=5
        Number of windows shown, at most one per document.
    window : int, default=64
        Number of tokens in a window.
    n_shots : int, default=3
        Number of worked examples in the prompt, from 0 to 3.
    max_tokens : int, default=100
        Maximum number of tokens in a reply.
    temperature : float, default=0.0
        Sampling temperature of the reply.
    n_attempts : int, default=2
        Maximum number of requests per feature if the reply cannot be read.

    See Also
    --------
    LLMSimulator : Simulator that predicts codes from the explanations.

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
        """Explain features by the codes and tokens of some documents.

        Parameters
        ----------
        codes : csc_array of shape (n_tokens, n_features)
            Non-negative codes.
        tokens : TokenBlock
            Tokens of whole documents, with a vocabulary.

        Returns
        -------
        list of Explanation
            Explanation of each column of `codes`.

        Raises
        ------
        TypeError, ValueError
            If a parameter has the wrong type or is out of range, `tokens` has no vocabulary, a
            feature never fires, or a reply cannot be read.
        ClientError, BudgetSpentError
            If no reply is received for a feature.
        """
        self.check()
        windows = self.records_of(codes, tokens)
        explained = self._managed().map(
            lambda own: self.explain_records(own, tokens.vocabulary), windows
        )
        return [replace(explanation, feature=j) for j, explanation in enumerate(explained)]

    def records_of(self, codes, tokens):
        """Return the windows with the largest codes of each feature, to explain it from.

        Parameters
        ----------
        codes : csc_array of shape (n_tokens, n_features)
            Non-negative codes.
        tokens : TokenBlock
            Tokens of whole documents.

        Returns
        -------
        list of (list of Record)
            Windows for each column of `codes`.
        """
        wanted = {"n_top": self.n_examples, "n_random": 0, "n_silent": 0}
        collector = RecordCollector(codes.shape[1], window=self.window, **wanted)
        return [found.top for found in collector.update(codes, tokens).records()]

    def explain_records(self, records, vocabulary):
        """Explain one feature from given windows.

        Parameters
        ----------
        records : list of Record
            Windows with the codes of the feature.
        vocabulary : sequence of str
            Readable text of each token id.

        Returns
        -------
        Explanation
            Explanation with feature number 0.

        Raises
        ------
        TypeError, ValueError
            If a parameter has the wrong type or is out of range, `vocabulary` is None, `records`
            is empty, or the reply cannot be read.
        ClientError, BudgetSpentError
            If no reply is received.
        """
        if not records:
            raise ReplyError("the feature fires in no window", "")
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
            self._managed(),
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
    """Quantise codes to integer levels from 0 to 10, where 10 is the largest code of all windows.

    Parameters
    ----------
    windows : list of ndarray
        Codes of one feature in windows that are shown together.

    Returns
    -------
    list of ndarray of int
        ``min(10, floor(10 max(c, 0) / c_max))`` for each code; all 0 if no code is positive.
    """
    largest = max((float(np.max(codes, initial=0.0)) for codes in windows), default=0.0)
    if largest <= 0:
        return [np.zeros(len(codes), dtype=int) for codes in windows]
    shares = (np.maximum(np.asarray(codes, dtype=np.float64), 0) / largest for codes in windows)
    # The tolerance gives level 3 to 0.3 computed with a rounding error.
    return [np.minimum(10, np.floor(10 * share + 1e-6)).astype(int) for share in shares]
