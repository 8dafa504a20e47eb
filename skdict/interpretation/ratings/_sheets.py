"""File format of rating sheets.

A sheet is a CSV file (UTF-8, comma-separated, one header line) with one line per item:

=============  ===================================================================================
column         content
=============  ===================================================================================
``sheet``      identifier of the key: the letter s and 15 hexadecimal digits
``rater``      name of the rater
``item``       the letter i and 7 hexadecimal digits, which reveal neither feature nor method
``windows``    numbered windows of text, one per line, with firing tokens enclosed in ``<< >>``
``rating``     to be filled in: 0 no pattern, 1 vague, 2 clear with exceptions, 3 clear
``label``      optional: description of the pattern
``confidence`` optional: 1 low, 2 medium, 3 high
``seconds``    optional: time spent on the item, a number
=============  ===================================================================================

``sheet`` and ``rater`` are the same in all lines. Cells that a spreadsheet would interpret as a
formula (they begin with =, +, -, @, a tab or a line break) are prefixed with an apostrophe, which
is removed when the sheet is read. A completed sheet must have the columns ``sheet``, ``rater``,
``item`` and ``rating``; ``windows`` may be absent, and the order of lines and columns does not
matter. An empty ``rating`` means that the item was skipped.
"""

import csv
import io

from skdict._files import read_table
from skdict._text import cell_text, sheet_cell

COLUMNS = ("sheet", "rater", "item", "windows", "rating", "label", "confidence", "seconds")


def sheet_content(sheet, rater, items):
    """Return an empty rating sheet as CSV bytes.

    Parameters
    ----------
    sheet : str
        Identifier of the sheet, as returned by `sheet_number`.
    rater : str
        Name of the rater.
    items : sequence of RatingItem
        Items in the order in which they are to be rated.

    Returns
    -------
    bytes
        Content of the CSV file.
    """
    lines = [[sheet, rater, item.item, _numbered(item.windows), *[""] * 4] for item in items]
    out = io.StringIO(newline="")
    # Names and texts may begin like a formula, so every cell is escaped.
    csv.writer(out).writerows([COLUMNS, *([sheet_cell(cell) for cell in line] for line in lines)])
    return out.getvalue().encode("utf-8")


def read_sheet(path, required, parse):
    """Parse the lines of a rating sheet.

    Parameters
    ----------
    path : str or path
        CSV file.
    required : sequence of str
        Columns that must be present.
    parse : callable
        Function that parses a line. Its arguments are the cells of the line, a dict of str with
        "" for absent columns, and the location of the line for error messages.

    Returns
    -------
    list
        Result of `parse` for each line.

    Raises
    ------
    ValueError
        If the sheet has no lines, or its lines belong to several raters or keys.
    """
    lines = [(number, _cells(line)) for number, line in read_table(path, required)]
    parsed = [parse(cells, f"{str(path)!r}, line {number}") for number, cells in lines]
    if not parsed:
        raise ValueError(f"{str(path)!r} has no items; pass a sheet that write_rating_sheet wrote")
    if len({(cells["sheet"], cells["rater"]) for _, cells in lines}) > 1:
        raise ValueError(f"{str(path)!r} mixes several raters or keys; pass one sheet per rater")
    return parsed


def _cells(line):
    # Spreadsheets add whitespace around cells, but in windows whitespace is part of the text.
    cells = {name: line.get(name) or "" for name in COLUMNS}
    stripped = {name: cell_text(cell.strip()).strip() for name, cell in cells.items()}
    return stripped | {"windows": cell_text(cells["windows"])}


def _numbered(windows):
    # The leading number keeps a cell from being interpreted as a formula.
    return "\n".join(f"{i}. {text}" for i, text in enumerate(windows, start=1))
