"""A language model judges windows of text."""

from skdict._llm import ask, judge_request, managed, read_answers, read_intruder
from skdict._validation import check_number
from skdict.interpretation.strategies import ClientStrategy


class LLMJudge(ClientStrategy):
    """Let a language model judge windows.

    Without marks it is asked whether the feature fires in each window (detection); with marks,
    whether they fit (fuzzing); without an explanation, which window does not belong (intruder). It
    is shown all windows of a call at once.

    Parameters
    ----------
    client : client or callable
        `OpenAIClient`, `TransformersClient`, a function, or one of them in a `ManagedClient`,
        which has a cache and a budget.
    n_attempts : int, default=2
        How often windows are tried if the reply cannot be read.

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
            others.

        Raises
        ------
        TypeError, ValueError
            If a parameter is of the wrong kind or out of bounds, or the reply cannot be read.
        ClientError, BudgetSpentError
            If there is no reply.
        """
        self.check()
        read = read_intruder if explanation is None else read_answers
        return ask(
            managed(self.client),
            judge_request(getattr(explanation, "text", explanation), windows),
            lambda completion: read(completion.text, len(windows)),
            n_attempts=self.n_attempts,
        )
