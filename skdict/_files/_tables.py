"""Read CSV tables edited by people or spreadsheets."""

import csv
import io

from skdict._files._regular import read_text

MOST_BYTES = 32 * 2**20


def read_table(path, required):
    """Read the rows of a CSV file with a header, each with the number of its last line.

    Parameters
    ----------
    path : str or path
        Regular file of at most 32 MiB in UTF-8, with or without a byte order mark, separated by
        commas or by semicolons, as in locales with a decimal comma.
    required : sequence of str
        Columns that the header must contain; others are allowed.

    Returns
    -------
    list of (int, dict of str to str)
        Line number and cells of each row. Missing cells of a short row are empty; blank lines are
        skipped.

    Raises
    ------
    ValueError
        If the file is too large, not UTF-8 or not CSV, a required column is missing or appears
        twice, or a row has more cells than the header.
    OSError
        If the file is missing or cannot be read.
    """
    text = read_text(path, most=MOST_BYTES, encoding="utf-8-sig")
    head = text.split("\n", 1)[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise ValueError(
            f"{str(path)!r}, line {reader.line_num} is not valid CSV ({error}); save it again as "
            f"CSV in UTF-8"
        ) from error
    header = lines[0][1] if lines else []
    _check_header(path, header, required)
    for number, cells in lines[1:]:
        if any(cell.strip() for cell in cells[len(header) :]):
            raise ValueError(
                f"{str(path)!r}, line {number} has {len(cells)} cells, but the header has "
                f"{len(header)} columns; put cells that contain {delimiter!r} in quotes"
            )
    blank = [""] * len(header)
    return [(n, dict(zip(header, cells + blank, strict=False))) for n, cells in lines[1:]]


def _check_header(path, header, required):
    for name in required:
        if header.count(name) != 1:
            told = "has no column" if name not in header else "has two columns"
            raise ValueError(
                f"{str(path)!r} {told} {name!r}; its first line must name each of "
                f"{', '.join(required)} once"
            )
