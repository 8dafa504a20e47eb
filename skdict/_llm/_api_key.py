"""API key of an endpoint: read from the environment, validated, and redacted from all output."""

import json
import logging
import os
from urllib.parse import quote

from skdict._llm._errors import ClientError

STRUCK_OUT = "<key>"
# Shorter keys, such as "none" and "EMPTY", are placeholders and occur within ordinary words.
FEWEST_CHARACTERS = 6
LOGGERS = ("openai", "httpx", "httpx2", "httpcore", "httpcore2")


def read_key(variable, *, required):
    """Return the API key in an environment variable, without surrounding whitespace.

    Parameters
    ----------
    variable : str
        Name of the environment variable.
    required : bool
        If True, raise an error if the variable is unset or blank.

    Returns
    -------
    str or None
        API key; None if there is none and `required` is False.

    Raises
    ------
    ClientError
        If the key is missing, or cannot be sent in a request header. No message contains the key.
    """
    key = os.environ.get(variable, "").strip()
    if not key:
        if required:
            raise ClientError(
                f"the environment variable {variable} is not set or blank; set it to the API key",
                refused=True,
            )
        return None
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ClientError(
            f"the key in the environment variable {variable} contains whitespace, a control "
            f"character or a non-ASCII character; copy the key again, as one line",
            refused=True,
        )
    return key


def strike_out(text, key):
    """Replace a key in a text by a placeholder, whether it is plain, escaped or quoted.

    Parameters
    ----------
    text : str
        Text received from an endpoint.
    key : str or None
        API key. None, or a key too short to be a secret, leaves the text unchanged.

    Returns
    -------
    str
        Text without the key.
    """
    if key is None or len(key) < FEWEST_CHARACTERS:
        return text
    forms = {key, json.dumps(key)[1:-1], repr(key)[1:-1], quote(key, safe="")}
    forms.add(key.replace("/", "\\/"))
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, STRUCK_OUT)
    return text


class KeyFilter(logging.Filter):
    """Logging filter that redacts a key from the log records of HTTP packages.

    Parameters
    ----------
    key : str or None
        API key to redact.
    """

    def __init__(self, key):
        super().__init__()
        self._key = key

    def filter(self, record):
        """Redact the key from a record and keep the record."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            # Handlers report malformed records themselves.
            return True
        record.msg, record.args = strike_out(message, self._key), None
        if record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_info, record.exc_text = None, strike_out(text, self._key)
        return True

    def install(self):
        """Add the filter to every logger of the packages, because loggers do not inherit it."""
        names = [n for n in logging.root.manager.loggerDict if n.split(".")[0] in LOGGERS]
        for name in names:
            logger = logging.getLogger(name)
            if not any(isinstance(f, KeyFilter) and f._key == self._key for f in logger.filters):
                logger.addFilter(self)
