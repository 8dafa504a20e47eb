"""Scores and effects, from wherever they come, by feature."""

import math
import numbers

import numpy as np

from skdict._validation import check_features


def columns_of(table, name, needed):
    """Return a table as a dict of lists, whether it is a data frame, a dict or records.

    Parameters
    ----------
    table : DataFrame, dict of columns, list of dict, or object with `to_dict`
        The table; an index called `feature` is a column, too.
    name : str
        What to call it in messages.
    needed : tuple of str
        Columns that have to be there.

    Returns
    -------
    dict of str to list

    Raises
    ------
    TypeError
        If it is no table.
    ValueError
        If a column is missing, or columns differ in length.
    """
    if hasattr(table, "reset_index"):
        named = [level for level in table.index.names if level is not None]
        table = (table.reset_index() if named else table).to_dict("list")
    elif hasattr(table, "to_dict"):
        table = table.to_dict()
    if isinstance(table, (list, tuple)) and all(isinstance(row, dict) for row in table):
        keys = list(dict.fromkeys(key for row in table for key in row))
        table = {key: [row.get(key) for row in table] for key in keys}
    if not isinstance(table, dict):
        raise TypeError(
            f"{name} is {type(table).__name__}; pass a data frame, a dict of columns or a list of "
            f"dicts with {', '.join(needed)}"
        )
    missing = [key for key in needed if key not in table]
    if missing:
        raise ValueError(
            f"{name} has no column {', '.join(missing)}; there are {', '.join(map(str, table))}"
        )
    columns = {key: np.asarray(column, dtype=object).tolist() for key, column in table.items()}
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"columns of {name} differ in length: {lengths}")
    return columns


def scores_by_feature(scores, n_features):
    """Return score, status and explanation of each feature, and the summary of all.

    Parameters
    ----------
    scores : FeatureInterpreter, table or None
        A fitted interpreter, or columns `feature`, `score` and, if at hand, `status` and
        `explanation`.
    n_features : int
        How many features there are.

    Returns
    -------
    (dict of int to (float or None, str, str), dict or None)

    Raises
    ------
    TypeError
        If a feature or a score is no number.
    ValueError
        If a feature does not exist, or has two scores.
    """
    if scores is None:
        return {}, None
    summary = None
    if hasattr(scores, "explanations_"):
        summary = {name: number(value) for name, value in scores.report_.items()}
        scores = {
            "feature": scores.features_,
            "score": scores.scores_,
            "status": scores.status_,
            "explanation": ["" if e is None else e.text for e in scores.explanations_],
        }
    columns = columns_of(scores, "scores", ("feature", "score"))
    check_features(columns["feature"], n_features, name="the column feature of scores")
    n = len(columns["feature"])
    status = columns.get("status", ["scored"] * n)
    text = columns.get("explanation", [""] * n)
    rows = zip(columns["feature"], columns["score"], status, text, strict=True)
    return {
        int(j): (_checked("scores", "score", score), str(s), str(t or ""))
        for j, score, s, t in rows
    }, summary


def effects_by_feature(effects, n_features):
    """Return the tokens that each feature makes likelier and less likely, strongest first.

    Parameters
    ----------
    effects : table or None
        Columns `feature`, `token` and `effect`, one row for each pair that is to be shown.
    n_features : int
        How many features there are.

    Returns
    -------
    dict of int to (list of (str, float), list of (str, float))
        Tokens of positive effect, largest first, and of negative, smallest first.

    Raises
    ------
    TypeError
        If a feature or an effect is no number.
    ValueError
        If a feature does not exist.
    """
    if effects is None:
        return {}
    columns = columns_of(effects, "effects", ("feature", "token", "effect"))
    named = list(dict.fromkeys(columns["feature"]))
    check_features(named, n_features, name="the column feature of effects")
    found = {}
    rows = zip(columns["feature"], columns["token"], columns["effect"], strict=True)
    for feature, token, effect in rows:
        if _checked("effects", "effect", effect):
            found.setdefault(int(feature), []).append((str(token), float(effect)))
    return {
        j: (
            sorted((p for p in pairs if p[1] > 0), key=lambda p: -p[1]),
            sorted((p for p in pairs if p[1] < 0), key=lambda p: p[1]),
        )
        for j, pairs in found.items()
    }


def _checked(table, column, value):
    """Return a number of a table as JSON can hold it, or refuse what is none (`TypeError`)."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    if value is not None and not is_number:
        raise TypeError(
            f"the column {column} of {table} holds {value!r}; pass numbers, and None or nan where "
            f"there is none"
        )
    return number(value)


def number(value, digits=5):
    """Return a number as JSON can hold it: few digits, None for what is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, (int, np.integer)) else float(f"{value:.{digits}g}")
