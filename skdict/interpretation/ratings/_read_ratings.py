"""Reader for completed rating sheets, which are checked against their key."""

from pathlib import Path

from skdict._files import read_bytes
from skdict.interpretation.ratings._keys import MOST_BYTES, parse_key, sheet_number
from skdict.interpretation.ratings._ratings import Ratings
from skdict.interpretation.ratings._sheets import read_sheet

REQUIRED = ("sheet", "rater", "item", "rating")
RATINGS, CONFIDENCES = (0, 1, 2, 3), (1, 2, 3)


def read_ratings(paths, key, *, raters=None, allow_missing=False):
    """Read completed rating sheets and assign each rating to its feature.

    Parameters
    ----------
    paths : str, path or list of them
        CSV files of completed sheets.
    key : str or path
        Key file written with the sheets.
    raters : sequence of str or None, default=None
        Raters whose sheets must be present. Pass all raters to keep ratings blinded until every
        sheet is complete.
    allow_missing : bool, default=False
        If True, items may be left without a rating.

    Returns
    -------
    Ratings
        Ratings of all raters with their features.

    Raises
    ------
    ValueError
        If a file is not a sheet of this key; a rating is not 0, 1, 2 or 3; an item is unknown,
        repeated or, unless `allow_missing` is True, not rated; a rater is missing; or two sheets
        have the same rater. The message names the file and, if possible, the line.

    See Also
    --------
    write_rating_sheet : Write sheets and key; has a full example.
    """
    content = read_bytes(key, most=MOST_BYTES)
    items = parse_key(key, content)
    paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
    records, seen = [], {}
    for path in paths:
        lines = _read_lines(path, sheet_number(content), items, allow_missing)
        rater = lines[0]["rater"]
        if rater in seen:
            raise ValueError(
                f"{str(path)!r} and {str(seen[rater])!r} are both of {rater!r}; pass one sheet "
                f"per rater"
            )
        seen[rater] = path
        records += [line | items[line["item"]] for line in lines if line["rating"] is not None]
    absent = sorted(set(raters or ()) - set(seen))
    if absent:
        raise ValueError(f"no sheet of {', '.join(absent)} was passed; wait for it, then unblind")
    return Ratings(records)


def _read_lines(path, sheet, items, allow_missing):
    """Return the lines of a sheet as records, checked against the key."""
    seen = set()

    def parse(cells, where):
        line = _parse_line(cells, where, sheet, items)
        if line["item"] in seen:
            raise ValueError(f"{where}: item {line['item']} is repeated; delete one of the lines")
        seen.add(line["item"])
        return line

    lines = read_sheet(path, REQUIRED, parse)
    missing = sorted(set(items) - {line["item"] for line in lines if line["rating"] is not None})
    if missing and not allow_missing:
        raise ValueError(
            f"{str(path)!r} has no rating for {len(missing)} items, including {missing[0]}; "
            f"have them rated, or pass allow_missing=True"
        )
    return lines


def _parse_line(line, where, sheet, items):
    if line["sheet"] != sheet:
        raise ValueError(
            f"{where}: sheet {line['sheet']!r} does not belong to this key, which is for "
            f"{sheet!r}; pass the key written with the sheet"
        )
    if line["item"] not in items:
        raise ValueError(f"{where}: item {line['item']!r} is not in the key; restore it")
    if not line["rater"]:
        raise ValueError(f"{where}: the rater is missing; fill in the column 'rater'")
    return {
        "rater": line["rater"],
        "item": line["item"],
        "rating": _one_of("rating", line["rating"], RATINGS, where),
        "label": line["label"] or None,
        "confidence": _one_of("confidence", line["confidence"], CONFIDENCES, where),
        "seconds": _seconds(line["seconds"], where),
    }


def _one_of(name, text, values, where):
    if not text:
        return None
    if text not in {str(value) for value in values}:
        raise ValueError(
            f"{where}: {name} is {text!r}; fill in {', '.join(map(str, values))}, or leave it empty"
        )
    return int(text)


def _seconds(text, where):
    if not text:
        return None
    try:
        seconds = float(text.replace(",", "."))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{where}: seconds is {text!r}; fill in a number >= 0, or leave it empty")
    return seconds
