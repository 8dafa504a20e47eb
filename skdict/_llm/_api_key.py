"""The key of an endpoint: read from the environment, checked, struck out of what returns."""

import json
import logging
import os
from urllib.parse import quote

from skdict._llm._errors import ClientError

STRUCK_OUT = "<key>"
# Shorter ones, such as "none" and "EMPTY", open no door, and are parts of ordinary words.
FEWEST_CHARACTERS = 6
LOGGERS = ("openai", "httpx", "httpx2", "httpcore", "httpcore2")


def read_key(variable, *, required):
    """Return the key in an environment variable, without white space around it.

    Parameters
    ----------
    variable : str
        Name of the variable.
    required : bool
        Refuse a variable that is not set, or blank.

    Returns
    -------
    str or None
        None if there is no key and none is required.

    Raises
    ------
    ClientError
        If the key is missing, or no header of a request can hold it. No message repeats it.
    """
    key = os.environ.get(variable, "").strip()
    if not key:
        if required:
            raise ClientError(
                f"the environment variable {variable} is not set or blank; put the key there",
                refused=True,
            )
        return None
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ClientError(
            f"the key in the environment variable {variable} holds white space within, a control "
            f"character or one beyond ASCII; copy the key again, as one line",
            refused=True,
        )
    return key


def strike_out(text, key):
    """Return a text in which a key does not stand, as it is, escaped or quoted.

    Parameters
    ----------
    text : str
        What came back from an endpoint.
    key : str or None
        The key; None, or one that is too short to be a secret, changes nothing.

    Returns
    -------
    str
    """
    if key is None or len(key) < FEWEST_CHARACTERS:
        return text
    forms = {key, json.dumps(key)[1:-1], repr(key)[1:-1], quote(key, safe="")}
    forms.add(key.replace("/", "\\/"))
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, STRUCK_OUT)
    return text


class KeyFilter(logging.Filter):
    """Strike a key out of what the packages below log, whose replies may repeat it.

    Parameters
    ----------
    key : str or None
        The key.
    """

    def __init__(self, key):
        super().__init__()
        self._key = key

    def filter(self, record):
        """Strike the key out of a record, and let it pass."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            # A malformed record is reported by its handler.
            return True
        record.msg, record.args = strike_out(message, self._key), None
        if record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_info, record.exc_text = None, strike_out(text, self._key)
        return True

    def install(self):
        """Put the filter on every logger of these packages; loggers do not pass filters on."""
        names = [n for n in logging.root.manager.loggerDict if n.split(".")[0] in LOGGERS]
        for name in names:
            logger = logging.getLogger(name)
            if not any(isinstance(f, KeyFilter) and f._key == self._key for f in logger.filters):
                logger.addFilter(self)
