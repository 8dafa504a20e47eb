"""Measures of the folds of a cross-validation, and the selection from them."""

import numbers

import numpy as np
from scipy.stats import rankdata


def cv_results(alphas, folds):
    """Return the measures of the folds, laid out as in `GridSearchCV`.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        The candidates.
    folds : list of dict of str to ndarray of shape (n_alphas,)
        Returned by `SparseDictionaryPath.measure`, one per fold.

    Returns
    -------
    dict
    """
    results = {
        "param_alpha": np.ma.MaskedArray(alphas, mask=False),
        "params": [{"alpha": alpha} for alpha in alphas.tolist()],
    }
    folds = [{"score": 1 - fold["fvu"], **fold} for fold in folds]
    for measure in (name for name in folds[0] if name != "alpha"):
        values = np.array([fold[measure] for fold in folds], dtype=np.float64)
        for i, fold_values in enumerate(values):
            results[f"split{i}_test_{measure}"] = fold_values
        mean = values.mean(axis=0)
        results[f"mean_test_{measure}"] = mean
        results[f"std_test_{measure}"] = values.std(axis=0)
        results[f"rank_test_{measure}"] = rankdata(-mean, method="min").astype(np.int32)
    return results


def choose(rule, results, n_alphas):
    """Return the index that a rule selects, checked."""
    best = rule(results)
    if not isinstance(best, numbers.Integral):
        raise TypeError(f"selection returned {best!r}; a rule returns the index of an alpha")
    if not 0 <= best < n_alphas:
        raise ValueError(
            f"selection returned {best}; a rule returns an index of the {n_alphas} alphas, from 0"
        )
    return int(best)
