"""Client for OpenAI-compatible endpoints."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from skdict._llm._api_key import KeyFilter, read_key, strike_out
from skdict._llm._completion_check import check_completion
from skdict._llm._errors import MOST_TOLD, ClientError, TooLargeError
from skdict._llm._openai_replies import read_chat, read_text
from skdict._llm._reply_cache import ReplyMemory
from skdict._validation import check_choice, check_number

# Maximum number of log-probabilities per token: completions endpoint, chat endpoint.
MOST_ECHOED = 15
MOST_LOGPROBS = 20
REFUSALS = (401, 403, 404)


class OpenAIClient:
    """Client for an OpenAI-compatible endpoint; requires ``pip install skdict[llm]``.

    The API key is read from an environment variable when a connection is made. It is not a
    parameter, is not pickled, and is redacted from replies, errors and the logs of the packages
    openai, httpx and httpcore, even if the endpoint repeats it. Replies larger than 32 MiB are
    rejected.

    Parameters
    ----------
    model : str
        Name of the model at the endpoint.
    base_url : str or None, default=None
        Address of the endpoint, such as ``"http://localhost:8000/v1"``; None means OpenAI.
    api_key_env : str, default="OPENAI_API_KEY"
        *Name* of the environment variable that holds the API key. With a `base_url`, the variable
        may be unset.
    endpoint : {"chat", "completions"}, default="chat"
        Endpoint for replies: "chat" sends messages, "completions" sends one text to continue.
        Log-probabilities of prompt tokens (`LLMSimulator` with ``method="all_at_once"``) always
        come from "completions".
    timeout : float, default=60.0
        Maximum time in seconds to wait for a reply to start, and again for it to end.
    options : dict or None, default=None
        Additional fields of every request, named as in the OpenAI API. A value of None removes a
        field that is sent by default, as in
        ``{"max_tokens": None, "max_completion_tokens": 500}``.

    Raises
    ------
    TypeError, ValueError
        If `api_key_env` is not a valid variable name, `base_url` is not an HTTP address, or
        another parameter has the wrong type or value.

    Examples
    --------
    >>> from skdict.interpretation.llm import OpenAIClient
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
        _check_key_name(api_key_env)
        _check_address(model, base_url)
        _check_options(options)
        check_choice("endpoint", endpoint, ("chat", "completions"))
        check_number("timeout", timeout, above=0)
        self.model, self.base_url, self.api_key_env = model, base_url, api_key_env
        self.endpoint, self.timeout, self.options = endpoint, timeout, options
        self._connection = None
        # All wrappers of this client share it, so that no request is paid for twice.
        self.memory = ReplyMemory()

    def __repr__(self):
        return (
            f"OpenAIClient({self.model!r}, base_url={self.base_url!r}, "
            f"api_key_env={self.api_key_env!r})"
        )

    def __sklearn_clone__(self):
        return self

    def __getstate__(self):
        # The connection contains the key.
        return vars(self) | {"_connection": None}

    @property
    def identity(self):
        """Values that distinguish this model and its options from others, for the cache."""
        return ["openai", self.base_url, self.model, self.endpoint, self.options]

    def complete(self, request):
        """Send a request to the endpoint once.

        Parameters
        ----------
        request : Request
            Request to send.

        Returns
        -------
        Completion
            Reply, or the requested log-probabilities.

        Raises
        ------
        ImportError
            If the package openai is not installed.
        ClientError
            If the endpoint returns no usable reply.
        """
        openai = _import_openai()
        if self._connection is None:
            self._connection = self._connect(openai)
        chats = self.endpoint == "chat" and not request.slots
        ask, read = (self._chat, read_chat) if chats else (self._go_on, read_text)
        reply, problem = None, None
        try:
            reply = ask(request)
            found = check_completion(read(request, reply))
        except Exception as error:
            # Replies can have any form and can fail anywhere in the package or here. The error is
            # raised below, detached from the original, which may contain the key.
            problem = self._explained(openai, error, reply)
        if problem is not None:
            raise problem
        return self._without_key(found)

    def check(self):
        """Connect, so that a missing package or an invalid key is reported before a run starts.

        Raises
        ------
        ImportError
            If the package openai is not installed.
        ClientError
            If the key is missing, or cannot be sent in a request header.
        """
        if self._connection is None:
            self._connection = self._connect(_import_openai())

    def _connect(self, openai):
        from skdict._llm._bounded_replies import bounded_client

        key = read_key(self.api_key_env, required=self.base_url is None)
        # ManagedClient retries, so that retries are counted and work the same for all clients.
        connection = openai.OpenAI(
            api_key=key or "none",
            base_url=self.base_url,
            timeout=self.timeout,
            max_retries=0,
            http_client=bounded_client(openai.DefaultHttpxClient, self.timeout),
        )
        KeyFilter(key).install()
        return connection

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

    def _without_key(self, found):
        """Return a completion with the key redacted."""
        key = self._connection.api_key
        logprobs = found.logprobs and tuple(
            at and {strike_out(token, key): p for token, p in at.items()} for at in found.logprobs
        )
        return replace(found, text=strike_out(found.text, key), logprobs=logprobs)

    def _explained(self, openai, error, reply):
        """Convert any error to a `ClientError` that does not contain the key."""
        if isinstance(error, ClientError):
            message, raw = str(error), error.raw
        elif isinstance(error, openai.APIError):
            response = getattr(error, "response", None)
            message, raw = f"{type(error).__name__}: {error}", getattr(response, "text", "") or ""
            if isinstance(error, openai.APIConnectionError) and error.__cause__ is not None:
                message += f" ({type(error.__cause__).__name__}: {error.__cause__})"
        else:
            raw = getattr(error, "doc", "") or ("" if reply is None else repr(reply))
            message = f"the reply does not follow the protocol ({type(error).__name__}: {error})"
        key = self._connection.api_key
        message, raw = (strike_out(text, key) for text in (message, raw))
        return ClientError(message[:MOST_TOLD], raw=raw, **_consequences(openai, error))


def _consequences(openai, error):
    """Return whether a failed request may be retried and when, as arguments of `ClientError`."""
    if not isinstance(error, openai.APIError) or isinstance(error.__cause__, TooLargeError):
        return {"paid": True}
    status = getattr(error, "status_code", None)
    response = getattr(error, "response", None)
    lost = isinstance(error, openai.APIConnectionError)
    headers = {} if response is None else response.headers
    return {
        "transient": lost or status in (408, 409, 429) or (status or 0) >= 500,
        "refused": status in REFUSALS,
        "retry_after": seconds_to_wait(headers.get("retry-after", "")),
        "paid": status == 200,
    }


def seconds_to_wait(header):
    """Parse a Retry-After header, which is a number of seconds or a date.

    Return the seconds to wait, or None if the header cannot be parsed.
    """
    if re.fullmatch(r"\d+(\.\d+)?", header):
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except (TypeError, ValueError, OverflowError):
        return None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _check_key_name(name):
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*", name):
        # The value may be the key itself, so the message does not repeat it.
        raise _type_or_value(name)(
            "api_key_env is not the name of an environment variable; store the key in one, such "
            "as OPENAI_API_KEY, and pass its name"
        )


def _check_address(model, base_url):
    if not isinstance(model, str) or not model.strip():
        raise _type_or_value(model)(
            f"model={model!r} is not accepted: pass the endpoint's name of the model"
        )
    if base_url is not None and not _is_address(base_url):
        raise _type_or_value(base_url)(
            f"base_url={base_url!r} is not accepted: pass an address that begins with http:// or "
            f"https://, such as 'http://localhost:8000/v1', or None"
        )


def _is_address(text):
    if not isinstance(text, str):
        return False
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _type_or_value(value):
    """Return the class of the error for a value that should be a certain string."""
    return ValueError if isinstance(value, str) else TypeError


def _check_options(options):
    if options is not None and not (
        isinstance(options, dict) and all(isinstance(name, str) for name in options)
    ):
        raise TypeError(
            f"options={options!r} is not accepted: pass a dict from field names of the API to "
            f"values, such as {{'seed': 0}}, or None"
        )


def _import_openai():
    try:
        import openai
    except ImportError as error:
        raise ImportError(
            "OpenAIClient requires the package openai; install it with pip install 'skdict[llm]'"
        ) from error
    return openai
