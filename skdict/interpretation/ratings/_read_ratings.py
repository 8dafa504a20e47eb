"""Rating sheets that people filled in, read and checked against their key."""

from pathlib import Path

from skdict._files import read_bytes
from skdict.interpretation.ratings._keys import MOST_BYTES, parse_key, sheet_number
from skdict.interpretation.ratings._ratings import Ratings
from skdict.interpretation.ratings._sheets import read_sheet

REQUIRED = ("sheet", "rater", "item", "rating")
RATINGS, CONFIDENCES = (0, 1, 2, 3), (1, 2, 3)


def read_ratings(paths, key, *, raters=None, allow_missing=False):
    """Read sheets that people filled in, and say which feature each rating belongs to.

    Parameters
    ----------
    paths : str, path or list of them
        The CSV files.
    key : str or path
        The key that was written with the sheets.
    raters : sequence of str or None, default=None
        People whose sheets must all be in before anything is unblinded.
    allow_missing : bool, default=False
        Whether items may be left without a rating.

    Returns
    -------
    Ratings
        What each person said of each feature.

    Raises
    ------
    ValueError
        If a file is no sheet of this key; a rating is none of 0, 1, 2 and 3; an item is
        unknown, comes twice or, unless `allow_missing`, has no rating; a rater is missing,
        or two sheets are of one rater. The message names file and line.

    See Also
    --------
    write_rating_sheet : Writes sheets and key, and has an example.
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
                f"of each person"
            )
        seen[rater] = path
        records += [line | items[line["item"]] for line in lines if line["rating"] is not None]
    absent = sorted(set(raters or ()) - set(seen))
    if absent:
        raise ValueError(f"no sheet of {', '.join(absent)}; wait for it before unblinding")
    return Ratings(records)


def _read_lines(path, sheet, items, allow_missing):
    """Return the lines of a sheet as records, checked against the key."""
    seen = set()

    def parse(cells, where):
        line = _parse_line(cells, where, sheet, items)
        if line["item"] in seen:
            raise ValueError(f"{where}: item {line['item']} comes a second time; keep one of them")
        seen.add(line["item"])
        return line

    lines = read_sheet(path, REQUIRED, parse)
    missing = sorted(set(items) - {line["item"] for line in lines if line["rating"] is not None})
    if missing and not allow_missing:
        raise ValueError(
            f"{str(path)!r} has no rating for {len(missing)} items, {missing[0]} among them; "
            f"have them rated, or pass allow_missing=True"
        )
    return lines


def _parse_line(line, where, sheet, items):
    if line["sheet"] != sheet:
        raise ValueError(f"{where}: sheet {line['sheet']!r} is not of this key, which is {sheet!r}")
    if line["item"] not in items:
        raise ValueError(f"{where}: item {line['item']!r} is not in the key; restore its number")
    if not line["rater"]:
        raise ValueError(f"{where}: no rater is named; fill in the column 'rater'")
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
            f"{where}: {name} is {text!r}; fill in one of {', '.join(map(str, values))}, or nothing"
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
        raise ValueError(f"{where}: seconds is {text!r}; fill in a number from 0 on, or nothing")
    return seconds
