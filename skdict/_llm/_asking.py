"""One question, asked until its answer can be read."""

from skdict._llm._errors import ReplyError
from skdict._llm._prompts import correction


def ask(client, request, read, *, n_attempts=1):
    """Return what was read from a reply.

    Parameters
    ----------
    client : client
        With ``complete(request)``.
    request : Request
        The question.
    read : callable
        From a `Completion` to what is wanted; raises `ReplyError`.
    n_attempts : int, default=1
        Times to ask; from the second on with the reply and what is wrong with it.

    Returns
    -------
    object

    Raises
    ------
    ReplyError
        If the last reply cannot be read.
    ClientError, BudgetSpentError
        If there is no reply.
    """
    for last in range(n_attempts - 1, -1, -1):
        try:
            return read(client.complete(request))
        except ReplyError as error:
            if not last:
                raise
            request = correction(request, error.raw, error)
