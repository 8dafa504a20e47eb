"""Failures of single features: caught and kept here, so that the others go on."""

from dataclasses import dataclass

from skdict._llm import AskingError, managed

MOST_KEPT = 10_000


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
