"""Validation of what a client or cache returns."""

import numbers

from skdict._llm._errors import ClientError
from skdict._llm._requests import Completion

# Rounding can put the log-probability of a certain token slightly above 0.
HIGHEST_LOGPROB = 0.01
MOST_CHARACTERS = 2**24
MOST_TOKENS = 10**9


def check_completion(reply):
    """Check the types of a completion and all its fields.

    Parameters
    ----------
    reply : object
        `Completion` or str returned by a client.

    Returns
    -------
    Completion
        Checked completion; a str is converted.

    Raises
    ------
    ClientError
        If `reply` or one of its fields has the wrong type; the message names it.
    """
    if isinstance(reply, str):
        reply = Completion(reply)
    if not isinstance(reply, Completion):
        raise _refused(
            f"the client returned {type(reply).__name__}, not a str or a Completion", reply
        )
    if not isinstance(reply.text, str):
        raise _refused(f"the text of the reply is {type(reply.text).__name__}, not str", reply)
    if len(reply.text) > MOST_CHARACTERS:
        raise _refused(
            f"the reply has {len(reply.text)} characters; at most {MOST_CHARACTERS} are accepted",
            reply,
        )
    for name in ("n_prompt_tokens", "n_reply_tokens"):
        if not _is_count(getattr(reply, name)):
            raise _refused(f"{name} is {getattr(reply, name)!r}, not a number of tokens", reply)
    if reply.logprobs is not None:
        _check_logprobs(reply)
    return reply


def is_logprob(value):
    """Return True if a value is a valid log-probability; minus infinity is."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number and value <= HIGHEST_LOGPROB


def _is_count(value):
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return is_whole and 0 <= value <= MOST_TOKENS


def _check_logprobs(reply):
    if not isinstance(reply.logprobs, (tuple, list)):
        raise _refused(
            f"logprobs is {type(reply.logprobs).__name__}, not a tuple with one dict per token",
            reply,
        )
    for at in reply.logprobs:
        if at is not None and not isinstance(at, dict):
            raise _refused(f"logprobs holds {type(at).__name__}, not a dict or None", reply)
        for token, logprob in (at or {}).items():
            if not isinstance(token, str) or not is_logprob(logprob):
                raise _refused(
                    f"{token!r}: {logprob!r} is not a token with a log-probability of at most 0",
                    reply,
                )


def _refused(message, reply):
    # The endpoint charged for the reply, so the error is marked as paid and is not retried.
    return ClientError(message[:500], raw=_shown(reply), paid=True)


def _shown(reply):
    text = getattr(reply, "text", reply)
    try:
        return text if isinstance(text, str) else repr(reply)
    except Exception as error:
        # The object may have any type, and its __repr__ may raise anything.
        return f"{type(reply).__name__}, whose representation fails ({type(error).__name__})"
