"""Requests to language models, and their completions."""

from dataclasses import asdict, dataclass

JOIN = "\n\n"


@dataclass(frozen=True)
class Request:
    """Request to a language model.

    Parameters
    ----------
    messages : tuple of (str, str)
        Role ("system", "user" or "assistant") and text of each message.
    prefix : str, default=""
        Expected beginning of the reply. It is appended to the prompt of completion models.
    max_tokens : int, default=100
        Maximum number of tokens in the reply.
    temperature : float, default=0.0
        Sampling temperature; 0 selects the most likely token.
    top_logprobs : int, default=0
        Number of log-probabilities to return for each token of the reply.
    slots : tuple of int, default=()
        Positions in `text` at which to return the log-probabilities of the next token, instead of
        a reply.
    choices : tuple of str, default=()
        Texts of which to return the log-probabilities.
    json : bool, default=False
        If True, request a reply that is a JSON object.
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
        """Messages joined to one text, for completion models."""
        text = ""
        for role, content in (*self.messages, ("assistant", self.prefix)):
            # A trailing tab means that the reply must follow without a line break.
            runs_on = not text or not content or (role == "assistant" and text.endswith("\t"))
            text += content if runs_on else JOIN + content
        return text

    def as_dict(self):
        """Return the fields as a dict, as stored in a cache.

        Returns
        -------
        dict
            Fields by name, as plain values.
        """
        return asdict(self)


@dataclass(frozen=True)
class Completion:
    """Completion returned by a language model.

    Parameters
    ----------
    text : str
        Reply, preceded by the prefix if the client inserted it.
    logprobs : sequence of (dict of str to float) or None, default=None
        Log-probabilities of candidate tokens by their text: one dict per requested slot, or else
        per token of the reply. None for a slot at which no token begins.
    n_prompt_tokens, n_reply_tokens : int, default=0
        Number of tokens used, as counted by the endpoint.
    """

    text: str
    logprobs: tuple | None = None
    n_prompt_tokens: int = 0
    n_reply_tokens: int = 0
