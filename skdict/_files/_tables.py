"""Tables in CSV that people and spreadsheets have edited."""

import csv
import io

from skdict._files._regular import read_text

MOST_BYTES = 32 * 2**20


def read_table(path, required):
    """Return the lines of a CSV file with a header, each with the number it ends at.

    Parameters
    ----------
    path : str or path
        A regular file of at most 32 MiB in UTF-8, with or without a byte order mark, separated by
        commas or, as where the comma is a decimal sign, by semicolons.
    required : sequence of str
        Columns that must be there; others may be.

    Returns
    -------
    list of (int, dict of str to str)
        Cells that a short line lacks are empty; blank lines are left out.

    Raises
    ------
    ValueError
        If it is too large, not UTF-8 or not CSV, lacks a column, has one twice, or a line has more
        cells than the header.
    OSError
        If it is missing or cannot be read.
    """
    text = read_text(path, most=MOST_BYTES, encoding="utf-8-sig")
    head = text.split("\n", 1)[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise ValueError(
            f"{str(path)!r}, line {reader.line_num} cannot be read as CSV ({error}); save it as "
            f"CSV in UTF-8 again"
        ) from error
    header = lines[0][1] if lines else []
    _check_header(path, header, required)
    for number, cells in lines[1:]:
        if any(cell.strip() for cell in cells[len(header) :]):
            raise ValueError(
                f"{str(path)!r}, line {number} has {len(cells)} cells, and the header names "
                f"{len(header)} columns; put cells that hold a {delimiter!r} in quotes"
            )
    blank = [""] * len(header)
    return [(n, dict(zip(header, cells + blank, strict=False))) for n, cells in lines[1:]]


def _check_header(path, header, required):
    for name in required:
        if header.count(name) != 1:
            told = "lacks the column" if name not in header else "has two columns"
            raise ValueError(
                f"{str(path)!r} {told} {name!r}; pass a sheet with one of each of "
                f"{', '.join(required)} in its first line"
            )
