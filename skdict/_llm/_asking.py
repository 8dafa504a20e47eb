"""Requests that are repeated until the reply can be read."""

from skdict._llm._errors import ReplyError
from skdict._llm._prompts import correction


def ask(client, request, read, *, n_attempts=1):
    """Send a request and parse the reply, with further attempts if parsing fails.

    Parameters
    ----------
    client : client
        Client with ``complete(request)``.
    request : Request
        Request to send.
    read : callable
        Function that parses a `Completion`; raises `ReplyError` if it cannot.
    n_attempts : int, default=1
        Maximum number of requests. From the second on, the request also contains the previous
        reply and the reason why it could not be read.

    Returns
    -------
    object
        Result of `read`.

    Raises
    ------
    ReplyError
        If the reply to the last attempt cannot be read.
    ClientError, BudgetSpentError
        If no reply is received.
    """
    for last in range(n_attempts - 1, -1, -1):
        try:
            return read(client.complete(request))
        except ReplyError as error:
            if not last:
                raise
            request = correction(request, error.raw, error)
