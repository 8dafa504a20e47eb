"""Build a self-contained page: markup, style, scripts and data in one file."""

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
    """Return the HTML of a page.

    Parameters
    ----------
    data : dict
        Data that the scripts show; must be serialisable as JSON, with None in place of nan.
    scripts : sequence of str
        Files in `assets` that are concatenated into one script, in this order.
    title : str
        Title of the page.

    Returns
    -------
    str
        HTML to be written as UTF-8. Its Content-Security-Policy allows only this style and this
        script, identified by their hashes, and forbids everything else, including all network
        access.
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
    """Return compact JSON that cannot close the script element that contains it."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def visible(text):
    """Return text in which every character is visible.

    Line ends and tabs become arrows, and other control characters their Unicode pictures. Direction
    marks and zero-width characters become their code points, and stray bytes of broken UTF-8 their
    hexadecimal digits.

    Parameters
    ----------
    text : str
        Text in which stray bytes are surrogates, as in the vocabulary of `Activations`.

    Returns
    -------
    str
        Text without control characters, direction marks and surrogates.
    """
    try:
        # Join the bytes of a character that was split over several tokens.
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        pass  # A lone UTF-16 surrogate, shown as its code point.
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
