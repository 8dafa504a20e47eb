"""A scorer for searches: every measure of a dictionary from one pass."""

import numpy as np

from skdict._validation import check_number
from skdict.metrics._measure import measure_dictionary


class DictionaryScorer:
    """Score a fitted dictionary, for `scoring=` of scikit-learn's searches.

    It returns all measures at once, so that each fold is encoded once. A search with several
    measures needs `refit=`: one of the rules beside this class, or ``"score"``, which is
    1 - FVU and always prefers the smallest alpha.

    Parameters
    ----------
    n_active : int or None, default=None
        If given, each row keeps only its so many strongest codes.

    See Also
    --------
    sparsest_within : The rule for a budget of FVU.
    nearest_l0 : The rule for a number of active codes.
    knee : The rule without a number.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skdict import SparseDictionaryAutoencoder
    >>> from skdict.datasets import make_sparse_features
    >>> from skdict.metrics import DictionaryScorer, sparsest_within
    >>> X = make_sparse_features(2000, n_features=16, n_components=32, n_active=2, random_state=0).X
    >>> sae = SparseDictionaryAutoencoder(32, max_iter=3, random_state=0)
    >>> search = GridSearchCV(
    ...     sae, {"alpha": [0.05, 0.1, 0.4]}, cv=2,
    ...     scoring=DictionaryScorer(), refit=sparsest_within(max_fvu=0.2),
    ... )
    >>> search.fit(X).best_params_
    {'alpha': 0.1}
    """

    def __init__(self, n_active=None):
        self.n_active = n_active

    def __call__(self, estimator, X, y=None):
        """Measure an estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted dictionary, or a Pipeline that ends in one. Steps up to the last that has
            no `inverse_transform` (texts to activations) only make the rows.
        X : array-like
            Rows, or what the Pipeline takes.
        y : None
            Ignored.

        Returns
        -------
        dict of str to float
            `score` (1 - FVU), `fvu`, `l0`, `n_dead`, `density`, `n_components`.

        Raises
        ------
        TypeError
            If the estimator is no dictionary.
        ValueError
            If `n_active` is below 1, or the rows do not vary or are not finite.
        """
        if self.n_active is not None:
            check_number("n_active", self.n_active, low=1, integer=True)
        dictionary, rows = split_rows(estimator, X)
        measures = measure_dictionary(dictionary, rows, self.n_active)
        return {"score": 1 - measures["fvu"], **measures}

    def __repr__(self):
        return f"DictionaryScorer(n_active={self.n_active})"


def split_rows(estimator, X):
    """Return the dictionary in an estimator, and the rows that it is about.

    Raises
    ------
    TypeError
        If the last step of a Pipeline is no dictionary.
    """
    steps = getattr(estimator, "steps", [])
    making = [
        i
        for i, (_, step) in enumerate(steps)
        if step not in (None, "passthrough") and not hasattr(step, "inverse_transform")
    ]
    if not making or making[-1] == len(steps) - 1:
        return estimator, X
    first = making[-1] + 1
    return estimator[first:], estimator[:first].transform(X)


def sparsest_within(max_fvu):
    """Return a rule: the fewest active codes among candidates within a budget of FVU.

    Parameters
    ----------
    max_fvu : float
        Largest mean FVU over the folds, above 0.

    Returns
    -------
    callable
        For `refit=` of a search that is scored by `DictionaryScorer`: ``cv_results_`` to the
        index of the chosen candidate. It raises ValueError if no candidate is within.

    Raises
    ------
    ValueError
        If the budget is not positive.
    TypeError
        If it is not a number.

    Examples
    --------
    >>> from skdict.metrics import sparsest_within
    >>> results = {"mean_test_fvu": [0.1, 0.15, 0.3], "mean_test_l0": [20.0, 9.0, 3.0]}
    >>> sparsest_within(max_fvu=0.2)(results)
    1
    """
    check_number("max_fvu", max_fvu, above=0)

    def rule(cv_results):
        fvu, l0 = _columns(cv_results)
        if not (fvu <= max_fvu).any():
            raise ValueError(
                f"no candidate is within max_fvu={max_fvu}: the smallest FVU is {fvu.min():.4g}; "
                f"raise max_fvu or search smaller alphas"
            )
        return int(np.where(fvu <= max_fvu, l0, np.inf).argmin())

    return rule


def nearest_l0(target):
    """Return a rule: the candidate whose number of active codes is nearest to a target.

    Parameters
    ----------
    target : float
        Active codes on a row, above 0; nearness is by ratio.

    Returns
    -------
    callable
        For `refit=` of a search that is scored by `DictionaryScorer`.

    Raises
    ------
    ValueError
        If the target is not positive.
    TypeError
        If it is not a number.

    Examples
    --------
    >>> from skdict.metrics import nearest_l0
    >>> results = {"mean_test_fvu": [0.1, 0.15, 0.3], "mean_test_l0": [20.0, 9.0, 3.0]}
    >>> nearest_l0(10)(results)
    1
    """
    check_number("target", target, above=0)

    def rule(cv_results):
        _, l0 = _columns(cv_results)
        with np.errstate(divide="ignore"):
            return int(np.abs(np.log(l0) - np.log(target)).argmin())

    return rule


def knee():
    """Return a rule: the candidate at the bend of FVU against the logarithm of L0.

    Both are brought to [0, 1] over the candidates; the bend is the point farthest below the
    straight line between the sparsest and the densest candidate.

    Returns
    -------
    callable
        For `refit=` of a search that is scored by `DictionaryScorer`. It raises ValueError
        with fewer than three candidates of different L0.

    References
    ----------
    Satopaa, Albrecht, Irwin and Raghavan (2011), "Finding a 'Kneedle' in a Haystack".

    Examples
    --------
    >>> from skdict.metrics import knee
    >>> results = {"mean_test_fvu": [0.10, 0.11, 0.5, 0.9], "mean_test_l0": [32.0, 8.0, 4.0, 2.0]}
    >>> knee()(results)
    1
    """

    def rule(cv_results):
        fvu, l0 = _columns(cv_results)
        alive = l0 > 0
        if len(np.unique(l0[alive])) < 3:
            raise ValueError(
                f"a knee needs at least three candidates that differ in L0; these have "
                f"{np.unique(l0).tolist()}: search more alphas"
            )
        density = np.log(np.where(alive, l0, np.nan))
        sparsest, densest = np.nanargmin(density), np.nanargmax(density)
        along = (density - density[sparsest]) / (density[densest] - density[sparsest])
        line = fvu[sparsest] + along * (fvu[densest] - fvu[sparsest])
        return int(np.nanargmax(line - fvu))

    return rule


def _columns(cv_results):
    """Return mean FVU and L0 of the candidates, or say how to have them."""
    missing = [m for m in ("fvu", "l0") if f"mean_test_{m}" not in cv_results]
    if missing:
        raise ValueError(
            f"cv_results_ has no mean_test_{missing[0]}; search with scoring=DictionaryScorer()"
        )
    fvu, l0 = (np.asarray(cv_results[f"mean_test_{m}"], dtype=float) for m in ("fvu", "l0"))
    if not (np.isfinite(fvu).all() and np.isfinite(l0).all()):
        raise ValueError("a fit of the search failed; search with error_score='raise' to see why")
    return fvu, l0
