"""Rules that select a candidate of a search by FVU and L0 on held-out rows.

They are public in `skdict.metrics`, next to the scorer whose measures they use.
"""

from functools import partial

import numpy as np

from skdict._validation import check_number


class Rule(partial):
    """Selection rule over ``cv_results_`` that can be pickled and has a readable repr."""

    def __repr__(self):
        params = ", ".join(f"{name}={value!r}" for name, value in self.keywords.items())
        return f"{self.func.__name__.lstrip('_')}({params})"


def sparsest_within(max_fvu):
    """Return a rule that selects the sparsest candidate whose FVU is within a budget.

    Parameters
    ----------
    max_fvu : float
        Maximum FVU, averaged over folds; must be positive.

    Returns
    -------
    callable
        Function from ``cv_results_`` to the index of the candidate with the smallest mean L0, for
        `refit=` of a search scored by `DictionaryScorer`. It raises ValueError if no candidate is
        within the budget.

    Raises
    ------
    ValueError
        If `max_fvu` is not positive.
    TypeError
        If `max_fvu` is not a number.

    Examples
    --------
    >>> from skdict.metrics import sparsest_within
    >>> results = {"mean_test_fvu": [0.1, 0.15, 0.3], "mean_test_l0": [20.0, 9.0, 3.0]}
    >>> sparsest_within(max_fvu=0.2)(results)
    1
    """
    check_number("max_fvu", max_fvu, above=0)
    return Rule(_sparsest_within, max_fvu=max_fvu)


def _sparsest_within(cv_results, max_fvu):
    fvu, l0 = _columns(cv_results)
    if not (fvu <= max_fvu).any():
        raise ValueError(
            f"no candidate is within max_fvu={max_fvu}: the smallest FVU is {fvu.min():.4g}; "
            f"raise max_fvu, or search denser candidates with a smaller alpha or larger target_l0"
        )
    return int(np.where(fvu <= max_fvu, l0, np.inf).argmin())


def nearest_l0(target):
    """Return a rule that selects the candidate whose L0 is nearest to a target.

    Parameters
    ----------
    target : float
        Target number of active codes per row; must be positive. Distances are measured by the
        ratio, as the absolute difference of logarithms.

    Returns
    -------
    callable
        Function from ``cv_results_`` to the index of the selected candidate, for `refit=` of a
        search scored by `DictionaryScorer`.

    Raises
    ------
    ValueError
        If `target` is not positive.
    TypeError
        If `target` is not a number.

    Examples
    --------
    >>> from skdict.metrics import nearest_l0
    >>> results = {"mean_test_fvu": [0.1, 0.15, 0.3], "mean_test_l0": [20.0, 9.0, 3.0]}
    >>> nearest_l0(10)(results)
    1
    """
    check_number("target", target, above=0)
    return Rule(_nearest_l0, target=target)


def _nearest_l0(cv_results, target):
    _, l0 = _columns(cv_results)
    with np.errstate(divide="ignore"):
        return int(np.abs(np.log(l0) - np.log(target)).argmin())


def knee():
    """Return a rule that selects the candidate at the knee of FVU against the logarithm of L0.

    Both are scaled to [0, 1] over the candidates. The knee is the point farthest below the straight
    line between the sparsest and the densest candidate.

    Returns
    -------
    callable
        Function from ``cv_results_`` to the index of the selected candidate, for `refit=` of a
        search scored by `DictionaryScorer`. It raises ValueError if fewer than three candidates
        differ in L0.

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
    return Rule(_knee)


def _knee(cv_results):
    fvu, l0 = _columns(cv_results)
    alive = l0 > 0
    if len(np.unique(l0[alive])) < 3:
        raise ValueError(
            f"a knee needs at least three candidates that differ in L0, but these have an L0 of "
            f"{np.unique(l0).tolist()}; search more values of alpha or target_l0"
        )
    density = np.log(np.where(alive, l0, np.nan))
    sparsest, densest = np.nanargmin(density), np.nanargmax(density)
    along = (density - density[sparsest]) / (density[densest] - density[sparsest])
    line = fvu[sparsest] + along * (fvu[densest] - fvu[sparsest])
    return int(np.nanargmax(line - fvu))


def one_standard_error():
    r"""Return a rule that selects the sparsest candidate within one standard error of the best FVU.

    Eligible candidates have a mean FVU over the folds of at most the smallest mean FVU plus one
    standard error. The standard error is that of the best candidate: the standard deviation of its
    FVU on the folds :math:`f_1, ..., f_n` (divisor :math:`n - 1`), divided by :math:`\sqrt{n}`.

    Returns
    -------
    callable
        Function from ``cv_results_`` to the index of the selected candidate, for `refit=` of a
        search scored by `DictionaryScorer`. It raises ValueError if there are fewer than two folds.

    See Also
    --------
    knee : Rule that also needs no parameter and usually selects a sparser candidate.

    Notes
    -----
    The rule is meant for scores that get worse on both sides of the best candidate. FVU does not:
    it falls as L0 rises, so the densest candidate is always the best and differs from most others
    by more than noise. The rule therefore selects the densest candidate or its neighbour. Do not
    include candidates that are denser than you want.

    References
    ----------
    Breiman, Friedman, Olshen and Stone (1984), "Classification and Regression Trees", 3.4.3.

    Examples
    --------
    >>> from skdict.metrics import one_standard_error
    >>> results = {
    ...     "mean_test_fvu": [0.10, 0.11, 0.30], "mean_test_l0": [20.0, 15.0, 3.0],
    ...     "split0_test_fvu": [0.08, 0.09, 0.25], "split1_test_fvu": [0.12, 0.13, 0.35],
    ... }
    >>> one_standard_error()(results)
    1
    """
    return Rule(_one_standard_error)


def _one_standard_error(cv_results):
    fvu, l0 = _columns(cv_results)
    best = int(fvu.argmin())
    folds = [
        values[best]
        for name, values in cv_results.items()
        if name.startswith("split") and name.endswith("_test_fvu")
    ]
    if len(folds) < 2:
        raise ValueError(
            f"a standard error needs the FVU of at least two folds, but cv_results_ has that "
            f"of {len(folds)}; search with cv=2 or more, or use another rule"
        )
    error = float(np.std(folds, ddof=1)) / len(folds) ** 0.5
    return int(np.where(fvu <= fvu[best] + error, l0, np.inf).argmin())


def _columns(cv_results):
    """Return mean FVU and mean L0 of the candidates; raise ValueError if either is missing."""
    missing = [m for m in ("fvu", "l0") if f"mean_test_{m}" not in cv_results]
    if missing:
        raise ValueError(
            f"cv_results_ has no mean_test_{missing[0]}; search with scoring=DictionaryScorer()"
        )
    fvu, l0 = (np.asarray(cv_results[f"mean_test_{m}"], dtype=float) for m in ("fvu", "l0"))
    if not (np.isfinite(fvu).all() and np.isfinite(l0).all()):
        raise ValueError("a fit of the search failed; search with error_score='raise' to see why")
    return fvu, l0
