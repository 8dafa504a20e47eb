"""What is asked of a language model, and what comes back."""

from dataclasses import asdict, dataclass

JOIN = "\n\n"


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
