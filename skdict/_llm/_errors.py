"""Errors of single requests, with their consequences for further requests."""

from skdict._text import printable

# Maximum number of characters of an error message.
MOST_TOLD = 500


class AskingError(Exception):
    """Base class of errors that leave a request without an answer.

    Attributes
    ----------
    raw : str
        Reply as received.
    refused : bool
        If True, all other requests will fail as well.
    stopped : bool
        If True, the budget was spent and no request was sent.
    """

    raw, refused, stopped = "", False, False


class ClientError(AskingError):
    """Error raised if an endpoint returns no usable reply.

    Parameters
    ----------
    message : str
        Description of the failure.
    raw : str, default=""
        Reply as received.
    transient : bool, default=False
        If True, a retry may succeed: too many requests, a server error or a timeout.
    refused : bool, default=False
        If True, all other requests will fail as well, for example because of an invalid API key
        or model name.
    retry_after : float or None, default=None
        Waiting time in seconds requested by the endpoint.
    paid : bool, default=False
        If True, a reply was received but cannot be used, so the request counts as a call.
    """

    def __init__(
        self, message, *, raw="", transient=False, refused=False, retry_after=None, paid=False
    ):
        # Escape sequences in an endpoint's message must not reach the terminal.
        super().__init__(printable(message))
        self.raw = raw if isinstance(raw, str) else repr(raw)
        self.transient, self.refused = transient, refused
        self.retry_after, self.paid = retry_after, paid


class TooLargeError(Exception):
    """Error raised if the body of a reply is too large."""


class BudgetSpentError(AskingError):
    """Error raised if the allowed number of calls or tokens is used up."""

    stopped = True


class ReplyError(AskingError, ValueError):
    """Error raised if a reply does not have the requested form.

    Parameters
    ----------
    message : str
        Description of the problem.
    raw : str
        Reply as received.
    """

    def __init__(self, message, raw):
        super().__init__(printable(message[:MOST_TOLD]))
        self.raw = raw
