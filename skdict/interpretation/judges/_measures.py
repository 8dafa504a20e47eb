"""Measures of how well the verdicts of a judge match the labels."""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from skdict.metrics import pearson


def judgment_measures(labels, said, *, prevalence=None):
    r"""Return measures of how well verdicts match the labels of windows.

    A verdict of at least 0.5 means that the window fits. Windows without a verdict are counted and
    left out.

    Parameters
    ----------
    labels : array-like of bool, shape (n_windows,)
        True for windows that fit.
    said : array-like of float, shape (n_windows,)
        Verdicts from 0 to 1; nan if there is none.
    prevalence : float or None, default=None
        Fraction of all windows of the corpus that fit. If given, windows are reweighted to this
        fraction for three further measures: `corpus_f1`, `corpus_average_precision` and
        `corpus_correlation`, the Pearson correlation between labels and verdicts.

    Returns
    -------
    dict of str to float
        `balanced_accuracy`, the mean accuracy over windows that fit and windows that do not;
        `f1`; `auroc`; and `n_failed`, the number of windows without a verdict. Measures are nan
        if either label has no verdicts.

    Raises
    ------
    ValueError
        If `labels` and `said` are not one-dimensional arrays of equal length.

    Examples
    --------
    >>> from skdict.interpretation.judges import judgment_measures
    >>> measures = judgment_measures([True, True, False, False], [1, 0, 0, 0])
    >>> measures["balanced_accuracy"], measures["auroc"]
    (0.75, 0.75)
    """
    labels, said = np.asarray(labels, dtype=bool), np.asarray(said, dtype=np.float64)
    if labels.shape != said.shape or labels.ndim != 1:
        raise ValueError(
            f"labels have shape {labels.shape} and verdicts {said.shape}; pass one label and one "
            f"verdict per window"
        )
    given = np.isfinite(said)
    n_failed = int((~given).sum())
    labels, said = labels[given], said[given]
    names = ["balanced_accuracy", "f1", "auroc"]
    if prevalence is not None:
        names += ["corpus_f1", "corpus_average_precision", "corpus_correlation"]
    if labels.all() or not labels.any():
        return dict.fromkeys(names, np.nan) | {"n_failed": n_failed}
    yes = said >= 0.5
    values = [
        _balanced_accuracy(labels, yes),
        _f1(labels, yes, np.ones(len(labels))),
        roc_auc_score(labels, said),
    ]
    if prevalence is not None:
        shares = prevalence / labels.sum(), (1 - prevalence) / (~labels).sum()
        weight = np.where(labels, *shares)
        values += [
            _f1(labels, yes, weight),
            average_precision_score(labels, said, sample_weight=weight),
            # Constant verdicts have no defined correlation; count it as 0.
            np.nan_to_num(pearson(labels, said, weight)),
        ]
    return {k: float(v) for k, v in zip(names, values, strict=True)} | {"n_failed": n_failed}


def _balanced_accuracy(labels, yes):
    # Integer counts and a single division avoid accumulating rounding errors.
    n_fit, n_not = int(labels.sum()), int((~labels).sum())
    right = int((labels & yes).sum()) * n_not + int((~labels & ~yes).sum()) * n_fit
    return right / (2 * n_fit * n_not)


def _f1(labels, yes, weight):
    return 2 * weight[labels & yes].sum() / (weight[labels].sum() + weight[yes].sum())
