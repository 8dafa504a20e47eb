"""Make untrusted text safe to show in a terminal or a spreadsheet.

Floor 0: imports the standard library only.
"""

import unicodedata

# Control characters, direction and zero-width marks, lone surrogates, and line separators.
UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp")
# Invisible, but needed to spell Persian and Hindi words and many emoji.
JOINERS = "\u200c\u200d"
# Some spreadsheets treat full-width characters like their ASCII equivalents.
FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def printable(text, keep=""):
    r"""Escape every character of a text that could control a terminal.

    Parameters
    ----------
    text : str
        Untrusted text, such as a document, a reply or an error message.
    keep : str, default=""
        Characters to leave unescaped, such as the line breaks of a table.

    Returns
    -------
    str
        The text with control characters and direction marks as Python escapes, such as ``\x1b``.

    Examples
    --------
    >>> print(printable("\x1b[2Jred\nline"))
    \x1b[2Jred\nline
    """
    return "".join(c if c in keep or not _is_unsafe(c) else repr(c)[1:-1] for c in text)


def sheet_cell(text):
    """Quote a text so that no spreadsheet evaluates it as a formula.

    Parameters
    ----------
    text : str
        Text to show in the cell.

    Returns
    -------
    str
        The text, prefixed with an apostrophe if it starts like a formula; `cell_text` undoes this.

    Examples
    --------
    >>> sheet_cell("=1+1"), sheet_cell("cats")
    ("'=1+1", 'cats')
    """
    return f"'{text}" if text.lstrip("' ").startswith(FORMULA_STARTS) else text


def cell_text(cell):
    """Return the text of a cell written by `sheet_cell`.

    Parameters
    ----------
    cell : str
        Cell read from a spreadsheet.

    Returns
    -------
    str
        The cell without the apostrophe that `sheet_cell` added, if any.
    """
    quoted = cell.startswith("'") and sheet_cell(cell[1:]) == cell
    return cell[1:] if quoted else cell


def _is_unsafe(character):
    if character.isascii():
        return not character.isprintable()
    return unicodedata.category(character) in UNSAFE and character not in JOINERS


def readable(text):
    """Join the bytes of split characters in a text, and replace incomplete ones by U+FFFD."""
    return text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")


def readable_token(vocabulary, token_id):
    """Return the readable text of a token; ``<id>`` without a vocabulary."""
    return f"<{token_id}>" if vocabulary is None else readable(vocabulary[token_id])
