"""One question until there is an answer that can be read, or a record of why not."""

from skdict._llm._prompts import correction
from skdict._llm._requests import BudgetSpentError, ClientError, Failure, ReplyError


def check_parts(*parts):
    """Let explainers, simulators and judges check parameters and clients before any work.

    Parameters
    ----------
    *parts : object
        Those without a method `check` are passed over.

    Raises
    ------
    TypeError, ValueError, ImportError, ClientError
        As the parts raise them.
    """
    for part in parts:
        if hasattr(part, "check"):
            part.check()


def ask(client, request, read, *, stage, n_attempts=1):
    """Return what was read from a reply, or a `Failure`.

    Parameters
    ----------
    client : client
        With ``complete(request)``.
    request : Request
        The question.
    read : callable
        From a `Completion` to what is wanted; raises `ReplyError`.
    stage : str
        What is tried, for the record.
    n_attempts : int, default=1
        How often it is asked; from the second time on with the reply and what is wrong with it.

    Returns
    -------
    object or Failure

    Raises
    ------
    ClientError
        If the endpoint refuses every question.
    """
    failure = None
    for _ in range(n_attempts):
        try:
            return read(client.complete(request))
        except ReplyError as error:
            failure = Failure(stage, str(error), error.raw)
            request = correction(request, error.raw, error)
        except BudgetSpentError as error:
            return Failure(stage, str(error), stopped=True)
        except ClientError as error:
            if error.refused:
                raise
            return Failure(stage, str(error), error.raw)
    return failure
