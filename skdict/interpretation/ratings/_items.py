"""The items of a rating sheet: features, repeated ones, and ones whose answer is known."""

from dataclasses import dataclass

import numpy as np

from skdict._text import readable

# Fewest windows that show a pattern, or the lack of one.
FEWEST_WINDOWS = 3


@dataclass(frozen=True)
class RatingItem:
    """What is shown under one number, and what it stands for.

    Parameters
    ----------
    item : str
        The letter i and 7 random hexadecimal digits.
    kind : {"feature", "duplicate", "one token", "no pattern"}
        A feature; one shown a second time; a check with windows marked at one and the same
        token; a check with each window from another feature.
    method : str or None
        Name of the dictionary; None for checks.
    feature : int or None
        Column of its codes; None for checks.
    windows : tuple of str
        Text, tokens on which the feature fires in ``<< >>``.
    """

    item: str
    kind: str
    method: str | None
    feature: int | None
    windows: tuple


def make_items(records, vocabulary, *, n_windows, duplicates, n_checks, seed):
    """Return the items for some features of some methods.

    Parameters
    ----------
    records : dict of str to sequence of FeatureRecords
        For each method the windows of its features; they come from those drawn at random
        first, then from the strongest.
    vocabulary : sequence of str
        The readable piece of each token.
    n_windows : int
        Most windows of an item.
    duplicates : float
        Share of the features that are shown twice.
    n_checks : int
        Checks of each of the two kinds.
    seed : int
        Of numbers and draws.

    Returns
    -------
    list of RatingItem

    Raises
    ------
    ValueError
        If there is no feature, a feature has no window, or the windows do not suffice for
        the checks.
    """
    rng = np.random.default_rng(seed)
    shown = {}
    for method, features in records.items():
        for found in features:
            chosen = _windows_of(found, n_windows)
            if not chosen:
                raise ValueError(
                    f"feature {found.feature} of {method!r} has no window in which it fires; leave "
                    f"it out, or collect records with n_random={n_windows}"
                )
            shown[method, found.feature] = chosen
    if not shown:
        raise ValueError("records hold no feature; pass a dict of methods to lists of records")
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
    """Return pieces of text joined, runs of marked ones in ``<< >>``.

    Parameters
    ----------
    pieces : sequence of str
        The tokens.
    marked : sequence of bool
        Which ones are marked.

    Returns
    -------
    str
    """
    out, inside = [], False
    for piece, mark in zip(pieces, marked, strict=True):
        if mark != inside:
            out.append("<<" if mark else ">>")
        out.append(piece)
        inside = mark
    return "".join(out) + (">>" if inside else "")


def _windows_of(found, n_windows):
    """Return (token ids, marks) of the windows of a feature, each place once."""
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
            f"the windows share too few words for {n_checks} checks with one word; pass more "
            f"features or windows, or n_checks=0"
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
            f"{len(by_feature)} features are too few for checks without a pattern; pass at "
            f"least {FEWEST_WINDOWS}, or n_checks=0"
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
