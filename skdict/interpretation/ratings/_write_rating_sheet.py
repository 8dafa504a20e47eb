"""Writer for blinded rating sheets."""

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
    """Write a blinded sheet on which one person rates features.

    Items of all methods are mixed, have uninformative identifiers, and appear in a different order
    for each rater. Some features appear twice, which measures the consistency of a rater, and
    some items are checks with a known answer. Only the key maps items to features, so keep it
    from the raters. Calls that differ only in `rater` produce the same items.

    Parameters
    ----------
    path : str or path
        CSV file to write, with the columns `sheet`, `rater`, `item` and `windows`; `rating` to be
        filled in (0 no pattern, 1 vague, 2 clear with exceptions, 3 clear); and `label`,
        `confidence` (1 to 3) and `seconds`, which are optional.
    records : dict of str to sequence of FeatureRecords
        Windows of the features to rate for each method, as returned by `collect_records` with
        `n_random`.
    vocabulary : sequence of str
        Readable text of each token, as in `Activations.vocabulary`.
    rater : str
        Name of the rater.
    key : str or path
        JSON file to write, which maps items to features. An existing key must be identical.
    page : str, path or None, default=None
        HTML file to write as well. The page has the look of `write_report`, shows one item after
        another and accepts ratings by buttons or keys. It stores ratings in the browser, measures
        the time spent on each item, and saves a CSV file for `read_ratings`. It needs no network.
    n_windows : int, default=10
        Maximum number of windows of an item.
    duplicates : float, default=0.15
        Fraction of the features that are shown twice.
    n_checks : int, default=2
        Number of checks of each of two kinds: all windows marked at the same word, and windows
        from different features.
    random_state : int, default=0
        Seed for identifiers, sampling and order.

    Raises
    ------
    FileExistsError
        If the key exists and has other items.
    TypeError, ValueError
        If a parameter is invalid, or there are too few windows.

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
            f"{str(key)!r} is the key of other items; write this sheet with a new key, or pass "
            f"the arguments that the existing key was written with"
        )
    by_name = int.from_bytes(hashlib.sha256(rater.encode()).digest()[:8])
    order = np.random.default_rng([random_state, by_name]).permutation(len(items))
    sheet = sheet_content(sheet_number(content), rater, [items[i] for i in order])
    replace_file(Path(key), content)
    replace_file(Path(path), sheet)
    if page is not None:
        replace_file(Path(page), page_content(path))
