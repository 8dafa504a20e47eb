"""Sheets for people to rate features on, blinded, and what they filled in.

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
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from skdict._files import parse_json, read_bytes, read_table, replace_file
from skdict._outputs import check_output_file
from skdict._text import cell_text, sheet_cell
from skdict._validation import check_number
from skdict.interpretation.ratings._items import make_items

COLUMNS = ("sheet", "rater", "item", "windows", "rating", "label", "confidence", "seconds")
REQUIRED = ("sheet", "rater", "item", "rating")
RATINGS = (0, 1, 2, 3)
KEY_FORMAT = "skdict rating key 1"
OF_FEATURE, CHECK = (str, int), (type(None), type(None))
# Types of method and feature for each kind of item.
KINDS = {"feature": OF_FEATURE, "duplicate": OF_FEATURE, "one token": CHECK, "no pattern": CHECK}
MOST_BYTES = 32 * 2**20
# Largest rating that a check without a pattern may get, and smallest of one with a clear pattern.
NO_PATTERN, CLEAR_PATTERN = 1, 2


def write_rating_sheet(
    path,
    records,
    *,
    vocabulary,
    rater,
    key,
    n_windows=10,
    duplicates=0.15,
    n_checks=2,
    random_state=0,
):
    """Write a sheet for one person to rate features on, not knowing what they belong to.

    Items of all methods are mixed, under numbers that tell nothing, in an order of each person's
    own. Some features come twice, which shows how far a person agrees with themselves, and some
    items have an answer that is known. What the items are stands in the key alone: keep it
    from the raters. Calls with the same arguments but another rater give the same items.

    Parameters
    ----------
    path : str or path
        CSV file to write: `sheet`, `rater`, `item`, `windows`, and, to fill in, `rating` (0 no
        pattern, 1 vague, 2 clear with exceptions, 3 clear) and, if wanted, `label`,
        `confidence` (1 to 3) and `seconds`.
    records : dict of str to sequence of FeatureRecords
        For each method the windows of the features to rate, as `collect_records` gives them
        with `n_random`.
    vocabulary : sequence of str
        The readable piece of each token, as `Activations` have it.
    rater : str
        Name of the person.
    key : str or path
        JSON file to write: which item is which feature. One that exists must be equal.
    n_windows : int, default=10
        Most windows of an item.
    duplicates : float, default=0.15
        Share of the features that are shown twice.
    n_checks : int, default=2
        Checks of each of two kinds: all windows marked at one word; windows of different
        features put together.
    random_state : int, default=0
        Of numbers, draws and order.

    Raises
    ------
    FileExistsError
        If the key exists with other items.
    TypeError, ValueError
        If a parameter is not as described, or the windows do not suffice.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile
    >>> from skdict import Activations
    >>> from skdict.inspection import collect_records
    >>> from skdict.interpretation import read_ratings, write_rating_sheet
    >>> acts = Activations(
    ...     np.zeros((4, 2), "f"), documents=[0, 0, 1, 1], positions=[0, 1, 0, 1],
    ...     token_ids=[0, 1, 0, 1], vocabulary=["a", " cat"],
    ... )
    >>> records = {"sae": collect_records([[0.0], [2.0], [0.0], [1.0]], acts, window=2)}
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> write_rating_sheet(
    ...     folder / "anna.csv", records, vocabulary=acts.vocabulary, rater="anna",
    ...     key=folder / "key.json", n_checks=0,
    ... )
    >>> "1. a<< cat>>" in (folder / "anna.csv").read_text()
    True
    """
    if not isinstance(rater, str) or not rater.strip():
        raise ValueError(f"rater={rater!r} is not accepted: pass the name of one person")
    if not isinstance(records, dict):
        raise TypeError(
            f"records is {type(records).__name__}; pass a dict of method names to lists of records"
        )
    check_number("n_windows", n_windows, low=1, integer=True)
    check_number("duplicates", duplicates, low=0, high=1)
    check_number("n_checks", n_checks, low=0, integer=True)
    check_number("random_state", random_state, low=0, integer=True)
    check_output_file("key", key)
    check_output_file("path", path)
    items = make_items(
        records,
        vocabulary,
        n_windows=n_windows,
        duplicates=duplicates,
        n_checks=n_checks,
        seed=random_state,
    )
    content = _key_content(items)
    if Path(key).exists() and read_bytes(key, most=MOST_BYTES) != content:
        raise FileExistsError(
            f"{str(key)!r} is the key of other items; write this sheet under another key, or pass "
            f"what that one was written with"
        )
    sheet = _sheet_of(content)
    by_name = int.from_bytes(hashlib.sha256(rater.encode()).digest()[:8])
    order = np.random.default_rng([random_state, by_name]).permutation(len(items))
    lines = [[sheet, rater, items[i].item, _numbered(items[i].windows), *[""] * 4] for i in order]
    replace_file(Path(key), content)
    replace_file(Path(path), _csv(lines))


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
    items = _read_key(key, content)
    paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
    records, seen = [], {}
    for path in paths:
        lines = _read_sheet(path, _sheet_of(content), items)
        rater = lines[0]["rater"]
        if rater in seen:
            raise ValueError(
                f"{str(path)!r} and {str(seen[rater])!r} are both of {rater!r}; pass one sheet "
                f"of each person"
            )
        seen[rater] = path
        rated = [line for line in lines if line["rating"] is not None]
        missing = sorted(set(items) - {line["item"] for line in rated})
        if missing and not allow_missing:
            raise ValueError(
                f"{str(path)!r} has no rating for {len(missing)} items, {missing[0]} among them; "
                f"have them rated, or pass allow_missing=True"
            )
        records += [line | items[line["item"]] for line in rated]
    absent = sorted(set(raters or ()) - set(seen))
    if absent:
        raise ValueError(f"no sheet of {', '.join(absent)}; wait for it before unblinding")
    return Ratings(records)


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of features by people, unblinded.

    Parameters
    ----------
    records : list of dict
        One for each rating: `rater`, `item`, `kind` ("feature", "duplicate", "one token" or
        "no pattern"), `method`, `feature`, `rating`, `label`, `confidence`, `seconds`;
        None where nothing was filled in. ``pandas.DataFrame(ratings.records)`` is a long table.
    """

    records: list

    @property
    def raters(self):
        """Names of the people."""
        return sorted({record["rater"] for record in self.records})

    @property
    def features(self):
        """The rated features, as a list of (method, feature)."""
        return sorted({(r["method"], r["feature"]) for r in self._of("feature")})

    def matrix(self):
        """Return the ratings of features, without those shown a second time.

        Returns
        -------
        ndarray of float, shape (n_raters, n_features)
            nan where a rating is missing; rows as `raters`, columns as `features`.
        """
        return self._matrix("feature")

    def repeated(self):
        """Return the first and second ratings of the features shown twice.

        Returns
        -------
        (ndarray, ndarray) of float, shape (n_pairs,)
            Pairs with both ratings, of all raters.
        """
        first, second = self._matrix("feature"), self._matrix("duplicate")
        both = np.isfinite(first) & np.isfinite(second)
        return first[both], second[both]

    def failed_checks(self):
        """Return how many checks each person got wrong.

        Returns
        -------
        dict of str to int
            Ratings below 2 where all windows are marked at one word, and above 1 where they
            belong to different features.
        """
        failed = dict.fromkeys(self.raters, 0)
        for record in self.records:
            failed[record["rater"]] += (
                record["kind"] == "one token" and record["rating"] < CLEAR_PATTERN
            ) or (record["kind"] == "no pattern" and record["rating"] > NO_PATTERN)
        return failed

    def _of(self, kind):
        return [record for record in self.records if record["kind"] == kind]

    def _matrix(self, kind):
        rows = {rater: i for i, rater in enumerate(self.raters)}
        columns = {feature: j for j, feature in enumerate(self.features)}
        found = np.full((len(rows), len(columns)), np.nan)
        for r in self._of(kind):
            column = columns.get((r["method"], r["feature"]))
            if column is not None:
                found[rows[r["rater"]], column] = r["rating"]
        return found


def _key_content(items):
    listed = {
        i.item: {"kind": i.kind, "method": i.method, "feature": i.feature}
        for i in sorted(items, key=lambda i: i.item)
    }
    return json.dumps({"format": KEY_FORMAT, "items": listed}, indent=1).encode()


def _read_key(key, content):
    advice = "pass the one written with it"
    try:
        found = parse_json(content, "it")
    except ValueError as error:
        raise ValueError(f"{str(key)!r} is no key of a rating sheet ({error}); {advice}") from error
    items = found.get("items")
    is_key = set(found) == {"format", "items"} and found["format"] == KEY_FORMAT
    if not is_key or not isinstance(items, dict) or not all(map(_is_item, items.values())):
        raise ValueError(f"{str(key)!r} is no key of a rating sheet; {advice}")
    return items


def _is_item(item):
    return (
        isinstance(item, dict)
        and set(item) == {"kind", "method", "feature"}
        and str(item["kind"]) in KINDS
        and (type(item["method"]), type(item["feature"])) == KINDS[item["kind"]]
    )


def _sheet_of(content):
    # Letters first: a spreadsheet must not read numbers.
    return "s" + hashlib.sha256(content).hexdigest()[:15]


def _numbered(windows):
    # A cell that begins with a number is no formula, whatever the text is.
    return "\n".join(f"{i}. {text}" for i, text in enumerate(windows, start=1))


def _csv(lines):
    out = io.StringIO(newline="")
    # A name or a text may begin as a formula does.
    csv.writer(out).writerows([COLUMNS, *([sheet_cell(cell) for cell in line] for line in lines)])
    return out.getvalue().encode("utf-8")


def _read_sheet(path, sheet, items):
    """Return the lines of a sheet as dicts, checked."""
    lines, seen = [], set()
    for number, line in read_table(path, REQUIRED):
        where = f"{str(path)!r}, line {number}"
        lines.append(_check_line(line, where, sheet, items))
        if lines[-1]["item"] in seen:
            raise ValueError(f"{where}: item {line['item']} comes a second time; keep one of them")
        seen.add(lines[-1]["item"])
    if not lines:
        raise ValueError(f"{str(path)!r} holds no item; pass a sheet that was filled in")
    if len({line["rater"] for line in lines}) > 1:
        raise ValueError(f"{str(path)!r} names several raters; pass one sheet of each person")
    return lines


def _check_line(line, where, sheet, items):
    line = {name: cell_text((line.get(name) or "").strip()).strip() for name in COLUMNS}
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
        "confidence": _one_of("confidence", line["confidence"], (1, 2, 3), where),
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
