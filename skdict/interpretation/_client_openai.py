"""Any endpoint that speaks the protocol of OpenAI."""

import os
import re

from skdict._validation import check_choice, check_number
from skdict.interpretation._client import ClientError, Completion

# Most log-probabilities that the protocol gives for a token of a prompt.
MOST_ECHOED = 15
MOST_LOGPROBS = 20
REFUSALS = (401, 403, 404)


class OpenAIClient:
    """Ask a model behind an OpenAI-compatible endpoint; needs ``pip install skdict[llm]``.

    The key is read from an environment variable whenever a connection is made. It is no
    parameter, is not pickled, and is struck out of error messages.

    Parameters
    ----------
    model : str
        The endpoint's name of the model.
    base_url : str or None, default=None
        Address of the endpoint, such as ``"http://localhost:8000/v1"``; None for OpenAI's.
    api_key_env : str, default="OPENAI_API_KEY"
        *Name* of the environment variable that holds the key. With a `base_url` it may be unset.
    endpoint : {"chat", "completions"}, default="chat"
        Whether messages are sent, or one text to go on with. Log-probabilities of a prompt
        (`LLMSimulator` with ``method="all_at_once"``) come from "completions" in either case.
    timeout : float, default=60.0
        Seconds to wait for a reply.
    options : dict or None, default=None
        More to send with every request, by the protocol's names; None as a value leaves out
        what is sent otherwise: ``{"max_tokens": None, "max_completion_tokens": 500}``.

    Raises
    ------
    ValueError
        If `api_key_env` is no name of a variable.

    Examples
    --------
    >>> from skdict.interpretation import OpenAIClient
    >>> OpenAIClient("llama-3", base_url="http://localhost:8000/v1")
    OpenAIClient('llama-3', base_url='http://localhost:8000/v1', api_key_env='OPENAI_API_KEY')
    """

    def __init__(
        self,
        model,
        *,
        base_url=None,
        api_key_env="OPENAI_API_KEY",
        endpoint="chat",
        timeout=60.0,
        options=None,
    ):
        if not isinstance(api_key_env, str) or not re.fullmatch(r"[A-Za-z_]\w*", api_key_env):
            # What was passed may be the key itself, so it is not repeated.
            raise ValueError(
                "api_key_env is not the name of an environment variable; put the key into one, "
                "such as OPENAI_API_KEY, and pass its name"
            )
        check_choice("endpoint", endpoint, ("chat", "completions"))
        check_number("timeout", timeout, above=0)
        self.model, self.base_url, self.api_key_env = model, base_url, api_key_env
        self.endpoint, self.timeout, self.options = endpoint, timeout, options
        self._connection = None

    def __repr__(self):
        return (
            f"OpenAIClient({self.model!r}, base_url={self.base_url!r}, "
            f"api_key_env={self.api_key_env!r})"
        )

    def __sklearn_clone__(self):
        return self

    def __getstate__(self):
        # The connection knows the key.
        return vars(self) | {"_connection": None}

    @property
    def identity(self):
        """What tells this model and its options from others, for a cache."""
        return ["openai", self.base_url, self.model, self.endpoint, self.options]

    def complete(self, request):
        """Ask the endpoint once.

        Parameters
        ----------
        request : Request
            The question.

        Returns
        -------
        Completion
            The reply, or the log-probabilities asked for.

        Raises
        ------
        ImportError
            Without the package openai.
        ClientError
            If the endpoint gives no reply.
        """
        openai = _import_openai()
        if self._connection is None:
            self._connection = self._connect(openai)
        chats = self.endpoint == "chat" and not request.slots
        ask, read = (self._chat, _read_chat) if chats else (self._go_on, _read_text)
        reply = ""
        try:
            reply = ask(request)
            return read(request, reply)
        except openai.APIError as error:
            raise self._explained(openai, error) from None
        except (AttributeError, IndexError, TypeError, KeyError, ValueError) as error:
            raw = getattr(error, "doc", "") or str(reply)
            message = f"the reply does not follow the protocol ({error})"
            raise ClientError(message, raw=raw) from error

    def _connect(self, openai):
        key = os.environ.get(self.api_key_env)
        if not key and self.base_url is None:
            raise ClientError(
                f"the environment variable {self.api_key_env} is not set; put the key there",
                refused=True,
            )
        # Retries are ours, so that they are counted and all clients have them.
        return openai.OpenAI(
            api_key=key or "none", base_url=self.base_url, timeout=self.timeout, max_retries=0
        )

    def _chat(self, request):
        sent = {
            "messages": [{"role": role, "content": text} for role, text in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
        }
        if request.top_logprobs:
            sent |= {"logprobs": True, "top_logprobs": min(request.top_logprobs, MOST_LOGPROBS)}
        if request.json:
            sent["response_format"] = {"type": "json_object"}
        return self._connection.chat.completions.create(model=self.model, **self._chosen(sent))

    def _go_on(self, request):
        echoed = bool(request.slots)
        sent = {
            "prompt": request.text,
            "max_tokens": 0 if echoed else request.max_tokens,
            "temperature": request.temperature,
            "echo": echoed,
        }
        if echoed or request.top_logprobs:
            sent["logprobs"] = MOST_ECHOED if echoed else min(request.top_logprobs, MOST_ECHOED)
        return self._connection.completions.create(model=self.model, **self._chosen(sent))

    def _chosen(self, sent):
        sent = sent | (self.options or {})
        return {name: value for name, value in sent.items() if value is not None}

    def _explained(self, openai, error):
        """Return an error of ours for one of the package's, without the key."""
        status = getattr(error, "status_code", None)
        key = os.environ.get(self.api_key_env)
        response = getattr(error, "response", None)
        texts = [f"{type(error).__name__}: {error}", getattr(response, "text", "") or ""]
        message, raw = (text.replace(key, "<key>") if key else text for text in texts)
        lost = isinstance(error, openai.APIConnectionError)
        wait = response.headers.get("retry-after", "") if response is not None else ""
        return ClientError(
            message,
            raw=raw,
            transient=lost or status in (408, 409, 429) or (status or 0) >= 500,
            refused=status in REFUSALS,
            retry_after=float(wait) if re.fullmatch(r"\d+(\.\d+)?", wait) else None,
        )


def _read_chat(request, reply):
    choice, found = reply.choices[0], None
    if request.top_logprobs:
        content = (choice.logprobs and choice.logprobs.content) or ()
        found = tuple({t.token: t.logprob for t in at.top_logprobs} for at in content)
    return _completion(choice.message.content, found, reply.usage)


def _read_text(request, reply):
    choice, found = reply.choices[0], None
    if request.slots or request.top_logprobs:
        tops = (choice.logprobs and choice.logprobs.top_logprobs) or ()
        found = tuple(dict(top or {}) for top in tops)
    if request.slots:
        offsets = (choice.logprobs and choice.logprobs.text_offset) or ()
        at = dict(zip(offsets, found, strict=False))
        found = tuple(at.get(slot) for slot in request.slots)
        return _completion("", found, reply.usage)
    return _completion(request.prefix + (choice.text or ""), found, reply.usage)


def _completion(text, logprobs, usage):
    n_prompt, n_reply = (
        getattr(usage, name, None) or 0 for name in ("prompt_tokens", "completion_tokens")
    )
    return Completion(text or "", logprobs, n_prompt, n_reply)


def _import_openai():
    try:
        import openai
    except ImportError as error:
        raise ImportError(
            "OpenAIClient needs the package openai: install it with pip install 'skdict[llm]'"
        ) from error
    return openai
