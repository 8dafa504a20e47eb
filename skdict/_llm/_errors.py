"""What may go wrong with one question, and what that means for the next."""

from skdict._text import printable

# Characters of a message that are shown.
MOST_TOLD = 500


class AskingError(Exception):
    """There is no answer to a question.

    Attributes
    ----------
    raw : str
        The reply, word for word.
    refused : bool
        If True, no other question will fare better.
    stopped : bool
        If True, nothing was asked: the budget is spent.
    """

    raw, refused, stopped = "", False, False


class ClientError(AskingError):
    """An endpoint gave no reply.

    Parameters
    ----------
    message : str
        What happened.
    raw : str, default=""
        What came back, word for word.
    transient : bool, default=False
        Whether asking again may help: too many requests, an error of the server, a timeout.
    refused : bool, default=False
        Whether no other question will fare better: a wrong key or model.
    retry_after : float or None, default=None
        Seconds that the endpoint asks to wait.
    paid : bool, default=False
        If True, a reply came that cannot be used; it counts as a call.
    """

    def __init__(
        self, message, *, raw="", transient=False, refused=False, retry_after=None, paid=False
    ):
        # An endpoint's words must not steer the terminal that an error ends on.
        super().__init__(printable(message))
        self.raw = raw if isinstance(raw, str) else repr(raw)
        self.transient, self.refused = transient, refused
        self.retry_after, self.paid = retry_after, paid


class TooLargeError(Exception):
    """The body of a reply is larger than any answer."""


class BudgetSpentError(AskingError):
    """The calls or tokens allowed are used up."""

    stopped = True


class ReplyError(AskingError, ValueError):
    """A reply is not what was asked for.

    Parameters
    ----------
    message : str
        What is wrong with it.
    raw : str
        The reply, word for word.
    """

    def __init__(self, message, raw):
        super().__init__(printable(message[:MOST_TOLD]))
        self.raw = raw
