"""Read scores and effects from any supported table, by feature."""

import math
import numbers

import numpy as np

from skdict._validation import check_features


def columns_of(table, name, needed):
    """Convert a table in any supported format to a dict of lists.

    Parameters
    ----------
    table : DataFrame, dict of columns, list of dict, or object with `to_dict`
        Table to convert. A named index, such as `feature`, becomes a column.
    name : str
        Name of the table in error messages.
    needed : tuple of str
        Columns that the table must have.

    Returns
    -------
    dict of str to list

    Raises
    ------
    TypeError
        If the table has an unsupported type.
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
            f"{name} has no column {', '.join(missing)}; its columns are "
            f"{', '.join(map(str, table))}"
        )
    columns = {key: np.asarray(column, dtype=object).tolist() for key, column in table.items()}
    lengths = {key: len(column) for key, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"columns of {name} differ in length: {lengths}; pass columns of equal length"
        )
    return columns


def scores_by_feature(scores, n_features):
    """Return the score, status, explanation and its details, and a summary over features.

    Parameters
    ----------
    scores : FeatureInterpreter, table or None
        Fitted interpreter, or a table with columns `feature`, `score` and optionally `status`,
        `explanation` and `details`.
    n_features : int
        Number of features.

    Returns
    -------
    (dict of int to (float or None, str, str, str), dict or None)

    Raises
    ------
    TypeError
        If a feature or a score is not a number.
    ValueError
        If a feature does not exist or has two scores.
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
            "details": ["" if e is None else e.details for e in scores.explanations_],
        }
    columns = columns_of(scores, "scores", ("feature", "score"))
    check_features(columns["feature"], n_features, name="the column feature of scores")
    n = len(columns["feature"])
    status = columns.get("status", ["scored"] * n)
    text = columns.get("explanation", [""] * n)
    details = columns.get("details", [""] * n)
    rows = zip(columns["feature"], columns["score"], status, text, details, strict=True)
    return {
        int(j): (_checked("scores", "score", score), str(s), _text(t), _text(d))
        for j, score, s, t, d in rows
    }, summary


def effects_by_feature(effects, n_features):
    """Return the tokens that each feature makes more and less likely, strongest first.

    Parameters
    ----------
    effects : table or None
        Table with columns `feature`, `token` and `effect`, one row per pair to show.
    n_features : int
        Number of features.

    Returns
    -------
    dict of int to (list of (str, float), list of (str, float))
        Tokens with positive effects, largest first, and with negative effects, smallest first.

    Raises
    ------
    TypeError
        If a feature or an effect is not a number.
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


def _text(value):
    """Return a cell as text; empty if it is missing, which data frames mark by nan."""
    return "" if value is None or value != value else str(value)


def _checked(table, column, value):
    """Return a value as a number for JSON, or raise TypeError if it is not a number."""
    is_number = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    if value is not None and not is_number:
        raise TypeError(
            f"the column {column} of {table} contains {value!r}; pass numbers, with None or nan "
            f"for missing values"
        )
    return number(value)


def number(value, digits=5):
    """Return a number for JSON, rounded to a few digits; None if it is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if isinstance(value, (int, np.integer)) else float(f"{value:.{digits}g}")
