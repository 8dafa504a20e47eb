"""Judge that queries a language model."""

from skdict._llm import ask, judge_request, read_answers, read_intruder
from skdict._validation import check_number
from skdict.interpretation.strategies import ClientStrategy


class LLMJudge(ClientStrategy):
    """Judge that asks a language model for verdicts on windows of text.

    For windows without marks, the language model is asked in which windows the feature fires
    (detection); for windows with marks, whether the marked tokens fit (fuzzing); without an
    explanation, which window does not belong (intruder). All windows of a call are shown in one
    prompt.

    Parameters
    ----------
    client : client or callable
        `OpenAIClient`, `TransformersClient` or a function. Wrap it in a `ManagedClient` for a
        cache on disk and a budget.
    n_attempts : int, default=2
        Maximum number of requests per prompt if the reply cannot be read.

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

    def _check_params(self):
        check_number("n_attempts", self.n_attempts, low=1, integer=True)

    def judge(self, explanation, windows):
        """Ask the language model for verdicts on windows.

        Parameters
        ----------
        explanation : Explanation, str or None
            Explanation to judge by; None asks for the intruder.
        windows : sequence of Window
            Windows to judge, either all with marks or all without.

        Returns
        -------
        ndarray of float, shape (n_windows,)
            1 for yes and 0 for no. Without an explanation, 0 for the intruder and 1 for the other
            windows.

        Raises
        ------
        TypeError, ValueError
            If a parameter has the wrong type or is out of range, or the reply cannot be read.
        ClientError, BudgetSpentError
            If no reply is received.
        """
        self.check()
        read = read_intruder if explanation is None else read_answers
        return ask(
            self._managed(),
            judge_request(getattr(explanation, "text", explanation), windows),
            lambda completion: read(completion.text, len(windows)),
            n_attempts=self.n_attempts,
        )
