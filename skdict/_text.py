"""Texts that others wrote, made safe for a terminal and for a spreadsheet.

Floor 0: imports the standard library only.
"""

import unicodedata

# Controls, marks of direction and of no width, lone surrogates, and separators of lines.
UNSAFE = ("Cc", "Cf", "Cs", "Zl", "Zp")
# Invisible, but part of the spelling of Persian and Hindi words and of many emoji.
JOINERS = "\u200c\u200d"
# Some spreadsheets take the wide forms of Japanese keyboards for the plain ones.
FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def printable(text, keep=""):
    r"""Write out every character of a text that could steer a terminal.

    Parameters
    ----------
    text : str
        Any text: of a data set, of a reply, of an error.
    keep : str, default=""
        Characters to leave as they are, such as the line breaks of a table.

    Returns
    -------
    str
        The text with escape sequences, other controls and marks of direction as Python writes
        them, such as ``\x1b``.

    Examples
    --------
    >>> print(printable("\x1b[2Jred\nline"))
    \x1b[2Jred\nline
    """
    return "".join(c if c in keep or not _is_unsafe(c) else repr(c)[1:-1] for c in text)


def sheet_cell(text):
    """Return a text as a cell that no spreadsheet takes for a formula.

    Parameters
    ----------
    text : str
        What the cell is to show.

    Returns
    -------
    str
        The text, behind an apostrophe if it begins as a formula does; `cell_text` removes it.

    Examples
    --------
    >>> sheet_cell("=1+1"), sheet_cell("cats")
    ("'=1+1", 'cats')
    """
    return f"'{text}" if text.lstrip("' ").startswith(FORMULA_STARTS) else text


def cell_text(cell):
    """Return the text that `sheet_cell` made a cell of.

    Parameters
    ----------
    cell : str
        A cell of a sheet that was read.

    Returns
    -------
    str
        Without the apostrophe, if one was put there.
    """
    quoted = cell.startswith("'") and sheet_cell(cell[1:]) == cell
    return cell[1:] if quoted else cell


def _is_unsafe(character):
    if character.isascii():
        return not character.isprintable()
    return unicodedata.category(character) in UNSAFE and character not in JOINERS


def readable(text):
    """Return text with the lone bytes of split characters put together, or replaced by U+FFFD."""
    return text.encode("utf-8", errors="surrogateescape").decode("utf-8", errors="replace")


def readable_token(vocabulary, token_id):
    """Return the readable piece of a token; ``<id>`` without a vocabulary."""
    return f"<{token_id}>" if vocabulary is None else readable(vocabulary[token_id])
