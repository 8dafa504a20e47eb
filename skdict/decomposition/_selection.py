"""Rules that select a candidate of a search by FVU and L0 on held-out rows.

`selection_rule` is public in `skdict.metrics`, next to the scorer whose measures it uses.
"""

from functools import partial

import numpy as np

from skdict._validation import check_choice, check_number


def selection_rule(criterion=None, *, max_fvu=None, target_l0=None):
    r"""Return a rule that selects a candidate of a search by FVU and L0 on held-out rows.

    FVU alone cannot select, because it keeps falling as L0 rises. Each rule trades one off against
    the other. Pass exactly one parameter.

    Parameters
    ----------
    criterion : {"knee", "one_standard_error"} or None, default=None
        Rule without a number. "knee" selects the knee of FVU against the logarithm of L0, both
        scaled to [0, 1] over the candidates: the point farthest below the straight line between
        the sparsest and the densest candidate [1]_. "one_standard_error" selects the sparsest
        candidate whose mean FVU over the folds is at most the smallest mean FVU plus one standard
        error [2]_; see Notes.
    max_fvu : float or None, default=None
        Maximum FVU, averaged over folds; must be positive. The rule selects the candidate with the
        smallest mean L0 within this budget.
    target_l0 : float or None, default=None
        Target number of active codes per row; must be positive. The rule selects the candidate
        with the nearest mean L0. Distances are measured by the ratio, as the absolute difference
        of logarithms.

    Returns
    -------
    callable
        Function from ``cv_results_`` to the index of the selected candidate, for `refit=` of a
        search scored by `DictionaryScorer` and for `selection=` of
        `SparseDictionaryAutoencoderCV`. It raises ValueError if no candidate is within `max_fvu`,
        fewer than three candidates differ in L0 ("knee"), or there are fewer than two folds
        ("one_standard_error").

    Raises
    ------
    ValueError
        If not exactly one parameter is given, `criterion` is unknown, or a number is not positive.
    TypeError
        If `max_fvu` or `target_l0` is not a number.

    See Also
    --------
    DictionaryScorer : Scorer that computes the measures.

    Notes
    -----
    The standard error is that of the best candidate: the standard deviation of its FVU on the
    folds :math:`f_1, ..., f_n` (divisor :math:`n - 1`), divided by :math:`\sqrt{n}`. The
    one-standard-error rule is meant for scores that get worse on both sides of the best candidate.
    FVU does not: the densest candidate is always the best and differs from most others by more
    than noise. The rule therefore selects the densest candidate or its neighbour, and "knee"
    usually selects a sparser one. Do not include candidates that are denser than you want.

    References
    ----------
    .. [1] Satopaa, Albrecht, Irwin and Raghavan (2011), "Finding a 'Kneedle' in a Haystack".
    .. [2] Breiman, Friedman, Olshen and Stone (1984), "Classification and Regression Trees", 3.4.3.

    Examples
    --------
    >>> from skdict.metrics import selection_rule
    >>> results = {"mean_test_fvu": [0.10, 0.11, 0.5, 0.9], "mean_test_l0": [32.0, 8.0, 4.0, 2.0]}
    >>> selection_rule("knee")(results)
    1
    >>> selection_rule(max_fvu=0.6)(results)
    2
    >>> selection_rule(target_l0=30)(results)
    0
    """
    given = {"criterion": criterion, "max_fvu": max_fvu, "target_l0": target_l0}
    given = {name: value for name, value in given.items() if value is not None}
    if len(given) != 1:
        raise ValueError(
            f"selection_rule got {' and '.join(given) or 'no parameter'}; pass exactly one of "
            f"criterion ('knee' or 'one_standard_error'), max_fvu and target_l0"
        )
    ((name, value),) = given.items()
    if name == "criterion":
        check_choice(name, value, tuple(CRITERIA))
    else:
        check_number(name, value, above=0)
    return Rule(RULES[name], **given)


class Rule(partial):
    """Selection rule over ``cv_results_`` that can be pickled and has a readable repr."""

    def __repr__(self):
        params = ", ".join(f"{name}={value!r}" for name, value in self.keywords.items())
        return f"selection_rule({params})"


def _sparsest_within(cv_results, max_fvu):
    fvu, l0 = _columns(cv_results)
    if not (fvu <= max_fvu).any():
        raise ValueError(
            f"no candidate is within max_fvu={max_fvu}: the smallest FVU is {fvu.min():.4g}; "
            f"raise max_fvu, or search denser candidates with a smaller alpha or larger target_l0"
        )
    return int(np.where(fvu <= max_fvu, l0, np.inf).argmin())


def _nearest_l0(cv_results, target_l0):
    _, l0 = _columns(cv_results)
    with np.errstate(divide="ignore"):
        return int(np.abs(np.log(l0) - np.log(target_l0)).argmin())


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


def _by_criterion(cv_results, criterion):
    return CRITERIA[criterion](cv_results)


CRITERIA = {"knee": _knee, "one_standard_error": _one_standard_error}
RULES = {"criterion": _by_criterion, "max_fvu": _sparsest_within, "target_l0": _nearest_l0}
