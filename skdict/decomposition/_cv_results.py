"""Cross-validation results, and the selection of a candidate from them."""

import numbers

import numpy as np
from scipy.stats import rankdata


def cv_results(candidates, folds):
    """Return the measures of all folds in the layout of `GridSearchCV.cv_results_`.

    Parameters
    ----------
    candidates : Candidates
        Alphas or target L0s that were compared on each fold.
    folds : list of dict of str to ndarray of shape (n_candidates,)
        Measures of each fold, as returned by `SparseDictionaryPath.measure`.

    Returns
    -------
    dict
        Parameters, and per measure its values, mean, standard deviation and rank.
    """
    results = {
        f"param_{candidates.name}": np.ma.MaskedArray(candidates.values, mask=False),
        "params": candidates.params(),
    }
    folds = [{"score": 1 - fold["fvu"], **fold} for fold in folds]
    for measure in (name for name in folds[0] if name not in ("alpha", "target_l0")):
        values = np.array([fold[measure] for fold in folds], dtype=np.float64)
        for i, fold_values in enumerate(values):
            results[f"split{i}_test_{measure}"] = fold_values
        mean = values.mean(axis=0)
        results[f"mean_test_{measure}"] = mean
        results[f"std_test_{measure}"] = values.std(axis=0)
        results[f"rank_test_{measure}"] = rankdata(-mean, method="min").astype(np.int32)
    return results


def choose(rule, results, candidates):
    """Return the index that a rule selects, after checking it."""
    best, told = rule(results), f"the {len(candidates)} {candidates.name}s"
    if not isinstance(best, numbers.Integral):
        raise TypeError(f"selection returned {best!r}; a rule must return an index of {told}")
    if not 0 <= best < len(candidates):
        raise ValueError(
            f"selection returned {best}; a rule must return an index of {told}, counted from 0"
        )
    return int(best)
