"""What any client or cache gives back, checked before it is used."""

import numbers

from skdict._llm._errors import ClientError
from skdict._llm._requests import Completion

# Log-probabilities are rounded, so that a certain one may lie above 0.
HIGHEST_LOGPROB = 0.01
MOST_CHARACTERS = 2**24
MOST_TOKENS = 10**9


def check_completion(reply):
    """Return a completion whose every part is of the type it should be.

    Parameters
    ----------
    reply : object
        What came back: a `Completion`, or a str.

    Returns
    -------
    Completion

    Raises
    ------
    ClientError
        If it is something else, or a part of it is; the message says which.
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
            f"the reply has {len(reply.text)} characters, and at most {MOST_CHARACTERS} are read",
            reply,
        )
    for name in ("n_prompt_tokens", "n_reply_tokens"):
        if not _is_count(getattr(reply, name)):
            raise _refused(f"{name} is {getattr(reply, name)!r}, no number of tokens", reply)
    if reply.logprobs is not None:
        _check_logprobs(reply)
    return reply


def is_logprob(value):
    """Return whether a value can be the logarithm of a probability; minus infinity can."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return is_number and value <= HIGHEST_LOGPROB


def _is_count(value):
    is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return is_whole and 0 <= value <= MOST_TOKENS


def _check_logprobs(reply):
    if not isinstance(reply.logprobs, (tuple, list)):
        raise _refused(
            f"logprobs is {type(reply.logprobs).__name__}, not a tuple with a dict for each place",
            reply,
        )
    for at in reply.logprobs:
        if at is not None and not isinstance(at, dict):
            raise _refused(f"logprobs holds {type(at).__name__}, not a dict or None", reply)
        for token, logprob in (at or {}).items():
            if not isinstance(token, str) or not is_logprob(logprob):
                raise _refused(
                    f"{token!r}: {logprob!r} is no token with a log-probability of at most 0",
                    reply,
                )


def _refused(message, reply):
    # What was paid for is not asked for again.
    return ClientError(message[:500], raw=_shown(reply), paid=True)


def _shown(reply):
    text = getattr(reply, "text", reply)
    try:
        return text if isinstance(text, str) else repr(reply)
    except Exception as error:
        # An object of any kind may have come, with a representation of any kind.
        return f"{type(reply).__name__}, whose representation fails ({type(error).__name__})"
