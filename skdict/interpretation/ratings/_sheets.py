"""The file format of rating sheets.

A sheet is a CSV file (UTF-8, comma, one header line), one line for each item:

=============  ===================================================================================
column         content
=============  ===================================================================================
``sheet``      the letter s and 15 hexadecimal digits: which key the items belong to
``rater``      name of the person, the same in all lines
``item``       the letter i and 7 hexadecimal digits that tell nothing of feature or method
``windows``    numbered windows of text, one a line, tokens on which the feature fires in ``<< >>``
``rating``     to fill in: 0 no pattern, 1 vague, 2 clear with exceptions, 3 clear
``label``      to fill in, or not: what the pattern is
``confidence`` to fill in, or not: 1 low, 2 medium, 3 high
``seconds``    to fill in, or not: time spent on the item, a number
=============  ===================================================================================

``sheet`` and ``rater`` are the same in all lines. A cell that a spreadsheet would take for a
formula (it begins with =, +, -, @, a tab or a line break) has an apostrophe before it, which is
removed when the sheet is read. What comes back needs ``sheet``, ``rater``,
``item`` and ``rating``; ``windows`` may be left out, the order of lines and columns does not
matter, and an empty ``rating`` means that the item was skipped.
"""

import csv
import io

from skdict._files import read_table
from skdict._text import cell_text, sheet_cell

COLUMNS = ("sheet", "rater", "item", "windows", "rating", "label", "confidence", "seconds")


def sheet_content(sheet, rater, items):
    """Return a sheet with some items as bytes of CSV, nothing filled in.

    Parameters
    ----------
    sheet : str
        Its number, as `sheet_number` returns it.
    rater : str
        Name of the person.
    items : sequence of RatingItem
        The items, in the order in which they are rated.

    Returns
    -------
    bytes
    """
    lines = [[sheet, rater, item.item, _numbered(item.windows), *[""] * 4] for item in items]
    out = io.StringIO(newline="")
    # A name or a text may begin as a formula does.
    csv.writer(out).writerows([COLUMNS, *([sheet_cell(cell) for cell in line] for line in lines)])
    return out.getvalue().encode("utf-8")


def read_sheet(path, required, parse):
    """Return what the lines of one person's sheet say.

    Parameters
    ----------
    path : str or path
        The CSV file.
    required : sequence of str
        Columns that must be there.
    parse : callable
        Called with the cells of a line (a dict of str, "" for a column that is not there) and
        where the line stands, as text for messages; returns what the line says.

    Returns
    -------
    list
        What `parse` returned for each line.

    Raises
    ------
    ValueError
        If there is no line, or lines belong to several people or keys.
    """
    lines = [(number, _cells(line)) for number, line in read_table(path, required)]
    parsed = [parse(cells, f"{str(path)!r}, line {number}") for number, cells in lines]
    if not parsed:
        raise ValueError(f"{str(path)!r} holds no item; pass a sheet that write_rating_sheet wrote")
    if len({(cells["sheet"], cells["rater"]) for _, cells in lines}) > 1:
        raise ValueError(f"{str(path)!r} is of several people; pass the sheet of one person")
    return parsed


def _cells(line):
    # Blanks around a cell are slips of a spreadsheet, but those of windows are text.
    cells = {name: line.get(name) or "" for name in COLUMNS}
    stripped = {name: cell_text(cell.strip()).strip() for name, cell in cells.items()}
    return stripped | {"windows": cell_text(cells["windows"])}


def _numbered(windows):
    # A cell that begins with a number is no formula, whatever the text is.
    return "\n".join(f"{i}. {text}" for i, text in enumerate(windows, start=1))
