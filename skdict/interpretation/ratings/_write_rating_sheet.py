"""Sheets for people to rate features on, blinded."""

import hashlib
from pathlib import Path

import numpy as np

from skdict._files import read_bytes, replace_file
from skdict._outputs import check_output_file
from skdict._validation import check_number
from skdict.interpretation.ratings._items import make_items
from skdict.interpretation.ratings._keys import MOST_BYTES, key_content, sheet_number
from skdict.interpretation.ratings._page import page_content
from skdict.interpretation.ratings._sheets import sheet_content


def write_rating_sheet(
    path,
    records,
    *,
    vocabulary,
    rater,
    key,
    page=None,
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
    page : str, path or None, default=None
        HTML file to write, too: the items one after another, with buttons and keys for ratings, in
        the look of `write_report`. It keeps ratings in the browser, counts the time spent on each
        item, and saves a CSV file that `read_ratings` takes. It needs no network.
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
    >>> from skdict.interpretation.ratings import read_ratings, write_rating_sheet
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
    if page is not None:
        check_output_file("page", page)
    counts = {"n_windows": n_windows, "duplicates": duplicates, "n_checks": n_checks}
    items = make_items(records, vocabulary, seed=random_state, **counts)
    content = key_content(items)
    if Path(key).exists() and read_bytes(key, most=MOST_BYTES) != content:
        raise FileExistsError(
            f"{str(key)!r} is the key of other items; write this sheet under another key, or pass "
            f"what that one was written with"
        )
    by_name = int.from_bytes(hashlib.sha256(rater.encode()).digest()[:8])
    order = np.random.default_rng([random_state, by_name]).permutation(len(items))
    sheet = sheet_content(sheet_number(content), rater, [items[i] for i in order])
    replace_file(Path(key), content)
    replace_file(Path(path), sheet)
    if page is not None:
        replace_file(Path(page), page_content(path))
