"""How good the verdicts of a judge are."""

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from skdict.metrics import pearson


def judgment_measures(labels, said, *, prevalence=None):
    r"""Return how good the verdicts on some windows are.

    A window counts as judged to fit from 0.5 on. Windows without a verdict are counted and left
    out.

    Parameters
    ----------
    labels : array-like of bool, shape (n_windows,)
        Which windows fit.
    said : array-like of float, shape (n_windows,)
        The verdicts: from 0 to 1, nan where there is none.
    prevalence : float or None, default=None
        Share of windows that fit in the whole corpus. If given, windows are weighted so that
        those that fit have this share, and `corpus_f1`, `corpus_average_precision` and
        `corpus_correlation`, Pearson's between label and verdict, are added.

    Returns
    -------
    dict of str to float
        `balanced_accuracy`, the mean of the shares judged rightly among those that fit and
        those that do not; `f1`; `auroc`; and `n_failed`. Measures are nan where a label has no
        verdict.

    Raises
    ------
    ValueError
        If the shapes differ.

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
            f"labels have shape {labels.shape} and verdicts {said.shape}; pass one of each for "
            f"each window"
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
            # A judge that says the same of all windows correlates with nothing.
            np.nan_to_num(pearson(labels, said, weight)),
        ]
    return {k: float(v) for k, v in zip(names, values, strict=True)} | {"n_failed": n_failed}


def _balanced_accuracy(labels, yes):
    # Counts first, one division: rounded once.
    n_fit, n_not = int(labels.sum()), int((~labels).sum())
    right = int((labels & yes).sum()) * n_not + int((~labels & ~yes).sum()) * n_fit
    return right / (2 * n_fit * n_not)


def _f1(labels, yes, weight):
    return 2 * weight[labels & yes].sum() / (weight[labels].sum() + weight[yes].sum())
