"""What is asked of a language model, what comes back, and what may go wrong."""

from dataclasses import asdict, dataclass

from skdict._text import printable

JOIN = "\n\n"
MOST_KEPT, MOST_TOLD = 10_000, 500


@dataclass(frozen=True)
class Request:
    """One question to a language model.

    Parameters
    ----------
    messages : tuple of (str, str)
        Role ("system", "user" or "assistant") and text of each.
    prefix : str, default=""
        How the reply is to begin. Models that go on with a text are given it.
    max_tokens : int, default=100
        Most tokens in the reply.
    temperature : float, default=0.0
        Of the sampling; 0 takes the likeliest token.
    top_logprobs : int, default=0
        How many log-probabilities are wanted for each token of the reply.
    slots : tuple of int, default=()
        Places in `text`: wanted is not a reply but the log-probabilities of what could stand
        there.
    choices : tuple of str, default=()
        What the log-probabilities are wanted of.
    json : bool, default=False
        Whether the reply is to be a JSON object.
    """

    messages: tuple
    prefix: str = ""
    max_tokens: int = 100
    temperature: float = 0.0
    top_logprobs: int = 0
    slots: tuple = ()
    choices: tuple = ()
    json: bool = False

    @property
    def text(self):
        """The messages as one text, for models that go on with a text."""
        text = ""
        for role, content in (*self.messages, ("assistant", self.prefix)):
            # What is to stand right behind a tab stands there.
            runs_on = not text or not content or (role == "assistant" and text.endswith("\t"))
            text += content if runs_on else JOIN + content
        return text

    def as_dict(self):
        """Return the fields by name, as a cache keeps them.

        Returns
        -------
        dict
            Of plain values.
        """
        return asdict(self)


@dataclass(frozen=True)
class Completion:
    """What a language model gave back.

    Parameters
    ----------
    text : str
        The reply, with the prefix where the client put it there.
    logprobs : sequence of (dict of str to float) or None, default=None
        Log-probability of each candidate, by its text: one dict for each slot asked for, else
        for each token of the reply. None for a slot that no token begins at.
    n_prompt_tokens, n_reply_tokens : int, default=0
        What was used, as the endpoint counts.
    """

    text: str
    logprobs: tuple | None = None
    n_prompt_tokens: int = 0
    n_reply_tokens: int = 0


@dataclass(frozen=True)
class Failure:
    """Why there is no explanation or no simulation of a feature.

    Parameters
    ----------
    stage : {"explain", "simulate", "judge"}
        What was tried.
    reason : str
        What is wrong.
    raw : str, default=""
        What came back, word for word; of more than 10,000 characters, the first.
    stopped : bool, default=False
        Whether it was not tried for want of budget.
    """

    stage: str
    reason: str
    raw: str = ""
    stopped: bool = False

    def __post_init__(self):
        object.__setattr__(self, "raw", self.raw[:MOST_KEPT])


class ClientError(Exception):
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


class BudgetSpentError(Exception):
    """The calls or tokens allowed are used up."""


class ReplyError(ValueError):
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


class CallableClient:
    """A function of the user's as a client.

    Parameters
    ----------
    function : callable
        From a `Request` to a `Completion` or a str.
    """

    def __init__(self, function):
        self.function = function

    def __repr__(self):
        return f"CallableClient({getattr(self.function, '__qualname__', self.function)})"

    def __sklearn_clone__(self):
        return self

    @property
    def identity(self):
        """What the function says that tells it from others, or None."""
        return getattr(self.function, "identity", None)

    def complete(self, request):
        """Return what the function says.

        Parameters
        ----------
        request : Request
            The question.

        Returns
        -------
        Completion or str

        Raises
        ------
        ClientError
            If it raises TimeoutError or ConnectionError; these are tried again. `ManagedClient`
            raises it, too, where something other than a `Completion` or a str is returned.
        """
        try:
            return self.function(request)
        except (TimeoutError, ConnectionError) as error:
            raise ClientError(f"{type(error).__name__}: {error}", transient=True) from error
