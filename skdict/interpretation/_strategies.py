"""Explainers, simulators and judges: what each must have, and how all are called."""

from dataclasses import dataclass

from sklearn.base import BaseEstimator

from skdict._llm import AskingError, managed

MOST_KEPT = 10_000
# The method that makes an object one of a kind, and what to pass.
KINDS = {
    "explainer": (
        "explain(codes, tokens)",
        "an explainer such as NGramExplainer(), a list of them, or None for the best of three",
    ),
    "simulator": (
        "simulate(explanation, records, vocabulary)",
        "a simulator such as LLMSimulator(client), or None",
    ),
    "judge": ("judge(explanation, windows)", "a judge such as EmbeddingJudge(), or None"),
}


@dataclass(frozen=True)
class Failure:
    """Why a feature has no explanation, simulation or verdict.

    Parameters
    ----------
    stage : {"explain", "simulate", "judge"}
        What was tried.
    reason : str
        What went wrong.
    raw : str, default=""
        The reply, word for word, up to 10,000 characters.
    stopped : bool, default=False
        If True, the budget was spent before it was tried.
    """

    stage: str
    reason: str
    raw: str = ""
    stopped: bool = False

    def __post_init__(self):
        object.__setattr__(self, "raw", self.raw[:MOST_KEPT])


def check_strategy(kind, value):
    """Refuse what is no explainer, simulator or judge, and let one check its parameters.

    Parameters
    ----------
    kind : {"explainer", "simulator", "judge"}
        What it should be.
    value : object
        What was passed.

    Raises
    ------
    TypeError
        If it lacks the method of its kind.
    TypeError, ValueError, ImportError, ClientError
        As its own ``check()`` raises them, where it has one.
    """
    call, advice = KINDS[kind]
    method = call.partition("(")[0]
    if isinstance(value, type) or not callable(getattr(value, method, None)):
        raise TypeError(f"{kind}={value!r} is not accepted: it has no {call}; pass {advice}")
    if hasattr(value, "check"):
        value.check()


def writes_free_words(explainer):
    """Return whether an explainer writes sentences that no rules stand behind.

    Such an explainer is shown windows: ``explain_records(records, vocabulary)`` explains one
    feature, from the windows that its ``records_of(codes, tokens)`` chooses.
    """
    return hasattr(explainer, "explain_records")


class ClientStrategy(BaseEstimator):
    """A strategy that asks a language model by its `client`."""

    def __sklearn_clone__(self):
        # Copies share the client: its budget, its cache, its connection.
        return type(self)(**self.get_params(deep=False))

    def check(self):
        """Check parameters and client, before any work begins.

        Raises
        ------
        TypeError, ValueError
            If a parameter is of the wrong kind or out of bounds.
        ImportError, ClientError
            If the client lacks what it needs, such as a package or a key.
        """
        self._check_params()
        managed(self.client).check()


class Attempts:
    """Call strategies, and keep what fails: the one place where failures are caught.

    Attributes
    ----------
    failures : dict of int to list of Failure
        What went wrong with each feature.
    """

    def __init__(self):
        self.failures = {}

    def each(self, stage, strategy, function, tasks):
        """Return what a function gives for each task, several at a time where a client waits.

        Parameters
        ----------
        stage : {"explain", "simulate", "judge"}
            What is tried.
        strategy : object
            Whose function it is.
        function : callable
            Of one argument.
        tasks : list of (int, object)
            Features, by number, and arguments.

        Returns
        -------
        list
            In the order of the tasks, None where one failed.

        Raises
        ------
        ClientError
            If the endpoint refuses every question.
        """

        def attempt(task):
            try:
                return function(task[1]), None
            except AskingError as error:
                if error.refused:
                    raise
                return None, Failure(stage, str(error), error.raw, error.stopped)

        client = getattr(strategy, "client", None)
        done = map(attempt, tasks) if client is None else managed(client).map(attempt, tasks)
        found = []
        for (feature, _), (result, failure) in zip(tasks, done, strict=True):
            if failure is not None:
                self.add(feature, failure)
            found.append(result)
        return found

    def add(self, feature, failure):
        """Keep a failure."""
        self.failures.setdefault(feature, []).append(failure)

    def first(self):
        """Return the first failure of each feature that has one."""
        return {feature: own[0] for feature, own in self.failures.items()}
