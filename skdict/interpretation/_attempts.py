"""Failures of single features, caught and stored so that the remaining features are processed."""

from dataclasses import dataclass

from skdict._llm import AskingError, managed

MOST_KEPT = 10_000


@dataclass(frozen=True)
class Failure:
    """Why a feature has no explanation, simulation or verdict.

    Parameters
    ----------
    stage : {"explain", "simulate", "judge"}
        Step that failed.
    reason : str
        Error message.
    raw : str, default=""
        Reply that caused the failure, truncated to 10,000 characters.
    stopped : bool, default=False
        If True, the budget was spent before this step was attempted.
    """

    stage: str
    reason: str
    raw: str = ""
    stopped: bool = False

    def __post_init__(self):
        object.__setattr__(self, "raw", self.raw[:MOST_KEPT])


class Attempts:
    """Call explainers, simulators and judges, and store failures; nothing else catches them.

    Attributes
    ----------
    failures : dict of int to list of Failure
        Failures of each feature, in the order in which they occurred.
    """

    def __init__(self):
        self.failures = {}

    def each(self, stage, strategy, function, tasks):
        """Apply a function to each task, concurrently if the strategy has a client.

        Parameters
        ----------
        stage : {"explain", "simulate", "judge"}
            Step to attempt, stored with each failure.
        strategy : object
            Explainer, simulator or judge that `function` calls.
        function : callable
            Function of one argument.
        tasks : list of (int, object)
            Number of the feature and argument of `function`, for each task.

        Returns
        -------
        list
            Results in the order of `tasks`; None for each task that failed.

        Raises
        ------
        ClientError
            If the endpoint rejects all requests, for example because of an invalid key.
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
        """Store a failure of a feature."""
        self.failures.setdefault(feature, []).append(failure)

    def first(self):
        """Return the first failure of each feature that has one."""
        return {feature: own[0] for feature, own in self.failures.items()}
