"""Items of a rating sheet: features, duplicates, and checks with a known answer."""

from dataclasses import dataclass

import numpy as np

from skdict._text import readable

# Minimum number of windows that show a pattern, or the lack of one.
FEWEST_WINDOWS = 3


@dataclass(frozen=True)
class RatingItem:
    """Item of a rating sheet, with the feature behind it.

    Parameters
    ----------
    item : str
        Identifier: the letter i and 7 random hexadecimal digits.
    kind : {"feature", "duplicate", "one token", "no pattern"}
        Kind of item: a feature; a feature shown a second time; a check whose windows are all
        marked at the same token; or a check whose windows come from different features.
    method : str or None
        Name of the dictionary; None for checks.
    feature : int or None
        Column of the codes; None for checks.
    windows : tuple of str
        Texts, with the tokens on which the feature fires enclosed in ``<< >>``.
    """

    item: str
    kind: str
    method: str | None
    feature: int | None
    windows: tuple


def make_items(records, vocabulary, *, n_windows, duplicates, n_checks, seed):
    """Return the items for features of one or more methods.

    Parameters
    ----------
    records : dict of str to sequence of FeatureRecords
        Windows of the features of each method. Randomly sampled windows are used first, then
        those with the largest codes.
    vocabulary : sequence of str
        Readable text of each token.
    n_windows : int
        Maximum number of windows of an item.
    duplicates : float
        Fraction of the features that are shown twice.
    n_checks : int
        Number of checks of each of the two kinds.
    seed : int
        Seed for identifiers and sampling.

    Returns
    -------
    list of RatingItem
        Features, duplicates and checks.

    Raises
    ------
    ValueError
        If there are no features, a feature has no windows, or there are too few windows for the
        checks.
    """
    rng = np.random.default_rng(seed)
    shown = {}
    for method, features in records.items():
        for found in features:
            chosen = _windows_of(found, n_windows)
            if not chosen:
                raise ValueError(
                    f"feature {found.feature} of {method!r} fires in no window; leave it out, or "
                    f"collect records with n_random={n_windows}"
                )
            shown[method, found.feature] = chosen
    if not shown:
        raise ValueError("records hold no features; pass a dict of methods to lists of records")
    entries = [("feature", method, j, windows) for (method, j), windows in shown.items()]
    twice = rng.permutation(len(entries))[: round(duplicates * len(entries))]
    entries += [("duplicate", *entries[i][1:]) for i in twice]
    pool = [record for windows in shown.values() for record in windows]
    entries += _one_token_checks(pool, vocabulary, n_checks, n_windows, rng)
    entries += _no_pattern_checks(list(shown.values()), n_checks, n_windows, rng)
    numbers = rng.choice(2**28, size=len(entries), replace=False)
    return [
        RatingItem(f"i{number:07x}", kind, method, feature, _as_texts(windows, vocabulary))
        for number, (kind, method, feature, windows) in zip(numbers, entries, strict=True)
    ]


def marked_text(pieces, marked):
    """Join pieces of text, enclosing runs of marked pieces in ``<< >>``.

    Parameters
    ----------
    pieces : sequence of str
        Text of each token.
    marked : sequence of bool
        True for marked tokens.

    Returns
    -------
    str
        Text with marks.
    """
    out, inside = [], False
    for piece, mark in zip(pieces, marked, strict=True):
        if mark != inside:
            out.append("<<" if mark else ">>")
        out.append(piece)
        inside = mark
    return "".join(out) + (">>" if inside else "")


def _windows_of(found, n_windows):
    """Return (token ids, marks) of the windows of a feature, without repetitions."""
    places = {}
    for record in [*found.random, *found.top]:
        places.setdefault((record.document, record.position), record)
    return [(r.token_ids, r.codes > 0) for r in list(places.values())[:n_windows]]


def _one_token_checks(pool, vocabulary, n_checks, n_windows, rng):
    """Return checks whose windows are all marked at the same word."""
    holding = {}
    for i, (ids, _) in enumerate(pool):
        for token in set(ids.tolist()):
            if vocabulary[token].strip().isalpha() and len(vocabulary[token].strip()) > 1:
                holding.setdefault(token, []).append(i)
    frequent = sorted(holding, key=lambda token: (-len(holding[token]), token))[:n_checks]
    if len(frequent) < n_checks or any(len(holding[t]) < FEWEST_WINDOWS for t in frequent):
        raise ValueError(
            f"the windows share too few words for {n_checks} one-word checks; pass more features "
            f"or windows, or n_checks=0"
        )
    checks = []
    for token in frequent:
        chosen = rng.permutation(holding[token])[:n_windows]
        marked = [(pool[i][0], pool[i][0] == token) for i in chosen]
        checks.append(("one token", None, None, marked))
    return checks


def _no_pattern_checks(by_feature, n_checks, n_windows, rng):
    """Return checks whose windows come from different features."""
    if n_checks and len(by_feature) < FEWEST_WINDOWS:
        raise ValueError(
            f"{len(by_feature)} features are too few for no-pattern checks; pass at least "
            f"{FEWEST_WINDOWS}, or n_checks=0"
        )
    checks = []
    for _ in range(n_checks):
        features = rng.permutation(len(by_feature))[:n_windows]
        mixed = [by_feature[j][rng.integers(len(by_feature[j]))] for j in features]
        checks.append(("no pattern", None, None, mixed))
    return checks


def _as_texts(windows, vocabulary):
    return tuple(
        marked_text([readable(vocabulary[i]) for i in ids], marks).replace("\n", "\\n")
        for ids, marks in windows
    )
