"""Measure one dictionary in one pass over the rows."""

import numpy as np

from skdict._core import InlierMoments, find_outlier_rule
from skdict._validation import as_rows, check_finite, check_targets
from skdict.decomposition._blocks import encode_blocks
from skdict.decomposition._contract import (
    check_is_dictionary,
    check_targets_given,
    dictionary_atoms,
    rest_of_prediction,
)
from skdict.decomposition._dead_features import are_dead, firing_counts
from skdict.decomposition._topk_dictionary import keep_strongest


def measure_dictionary(dictionary, X, n_active=None, y=None):
    """Return the measures of a fitted dictionary on rows, encoding each row once.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary, or a Pipeline that ends in one; or a fitted transcoder.
    X : array-like of shape (n_samples, n_features)
        Rows.
    n_active : int or None, default=None
        Number of strongest codes to keep per row. None keeps all.
    y : array-like of shape (n_samples, n_targets), optional
        Targets of a transcoder, which its FVU is measured on.

    Returns
    -------
    dict
        `n_components`; `fvu`; `fvu_inliers`, the FVU without outlier rows; `l0`, the mean number
        of active codes per row; `n_dead`, the number of features that fire on no row; `density`,
        the median over features of the share of rows on which a feature fires.
    """
    return measure_at_cuts(dictionary, X, [n_active], y)[0]


def measure_at_cuts(dictionary, X, cuts, y=None):
    """Return the measures at several numbers of codes per row, encoding each row once.

    Parameters
    ----------
    dictionary, X, y : object
        See `measure_dictionary`.
    cuts : list of int or None
        Numbers of strongest codes to keep per row; None keeps all.

    Returns
    -------
    list of dict
        Measures at each cut; see `measure_dictionary`.

    Raises
    ------
    TypeError
        If the estimator is not a fitted dictionary.
    ValueError
        If the rows or the targets do not vary, or targets are given for another dictionary than a
        transcoder, or are missing for a transcoder.
    """
    check_targets_given(dictionary, y)
    last = check_is_dictionary(dictionary)
    sides = [as_rows(X)]
    if y is not None:
        width = last.components_.shape[1]
        sides.append(check_targets(sides[0], y, type(last).__name__, width=width))
    lengths = None
    if any(cut is not None for cut in cuts):
        lengths = np.linalg.norm(dictionary_atoms(dictionary), axis=1)
    rules = [find_outlier_rule(rows) for rows in sides]
    moments = InlierMoments(rules[-1])
    squared_errors, counts = np.zeros((len(cuts), 2)), [0] * len(cuts)
    for codes, rows, rest, beyond in _coded_blocks(dictionary, sides, rules):
        inlier = ~moments.update(rows, beyond)
        for i, cut in enumerate(cuts):
            kept = codes if cut is None else keep_strongest(codes, cut, lengths)
            counts[i] = counts[i] + firing_counts(kept)[0]
            residual = rows - np.asarray(dictionary.inverse_transform(kept)) - rest
            errors = np.square(residual, dtype=np.float64).sum(axis=1)
            squared_errors[i] += errors.sum(), errors[inlier].sum()
    if moments.total.squared_deviations == 0:
        raise ValueError(
            f"the {moments.total.n_rows} test rows do not vary, so FVU is not defined; pass rows "
            f"that vary"
        )
    return [_record(*sums, moments) for sums in zip(squared_errors, counts, strict=True)]


def _coded_blocks(dictionary, sides, rules):
    """Yield codes, the rows to explain, the part of them that needs no codes, and outliers.

    A row is an outlier if it or its target is one.
    """
    for start, block, codes in encode_blocks(dictionary, sides[0]):
        if len(sides) == 1:
            yield codes, block, 0, rules[0].is_outlier(block)
            continue
        targets = check_finite(np.asarray(sides[1][start : start + len(block)]), start, "y")
        beyond = rules[0].is_outlier(block) | rules[1].is_outlier(targets)
        yield codes, targets, rest_of_prediction(dictionary, block, codes), beyond


def _record(squared_errors, counts, moments):
    n_rows = moments.total.n_rows
    of_all, of_inliers = squared_errors.tolist()
    return {
        "n_components": len(counts),
        "fvu": of_all / moments.total.squared_deviations,
        "fvu_inliers": of_inliers / moments.inliers.squared_deviations,
        "l0": float(counts.sum() / n_rows),
        "n_dead": int(are_dead(counts).sum()),
        "density": float(np.median(counts) / n_rows),
    }
