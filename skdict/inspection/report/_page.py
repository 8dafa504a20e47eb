"""A page that needs nothing but itself: markup, style, scripts and data in one file."""

import base64
import hashlib
import html
import json
import re
import unicodedata
from importlib import resources

_PARTS = resources.files("skdict.inspection.report") / "assets"
_NAMED = {"\n": "↵", "\r": "␍", "\t": "⇥"}
_SEEN_CATEGORIES = "LMNPS"


def page_html(data, scripts, title):
    """Return a page as text.

    Parameters
    ----------
    data : dict
        What the scripts show; must fit in JSON, nan as None.
    scripts : sequence of str
        Files of `assets` that make one script, in this order.
    title : str
        Name of the page.

    Returns
    -------
    str
        To be written as UTF-8. The policy in it allows this style and this script, known by their
        hashes, and forbids everything else, the network first of all.
    """
    style = _part("page.css")
    script = "(() => {\n'use strict';\n" + "\n".join(map(_part, scripts)) + "\n})();"
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; "
        f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
    )
    fills = {
        "policy": html.escape(policy),
        "title": html.escape(visible(title)),
        "style": style,
        "script": script,
        "data": embedded_json(data),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: fills[match[1]], _part("page.html"))


def embedded_json(data):
    """Return compact JSON that cannot end the script element that it stands in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def visible(text):
    """Return text in which every character can be seen.

    Line ends and tabs become arrows, other control characters their pictures or, as marks of
    direction and of no width, their numbers; lone bytes of broken UTF-8 their hexadecimal digits.

    Parameters
    ----------
    text : str
        Lone bytes stand in it as surrogates, as in the vocabulary of `Activations`.

    Returns
    -------
    str
        Without controls, marks of direction and surrogates.
    """
    try:
        # Bytes of one character that came as several tokens make it again.
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        pass  # Half a character of UTF-16: shown by its number.
    return "".join(map(_visible_character, text))


def _visible_character(c):
    if c in _NAMED:
        return _NAMED[c]
    code = ord(c)
    if code < 0x20:
        return chr(0x2400 + code)
    if 0xDC80 <= code <= 0xDCFF:
        return f"⟨{code - 0xDC00:02X}⟩"
    if c == " " or unicodedata.category(c)[0] in _SEEN_CATEGORIES:
        return c
    return f"⟨U+{code:04X}⟩"


def _digest(text):
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _part(name):
    return (_PARTS / name).read_text(encoding="utf-8")
