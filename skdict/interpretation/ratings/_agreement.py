"""Agreement of raters with one another and with scores."""

import numpy as np
from scipy.stats import kendalltau, rankdata

from skdict._validation import check_choice, check_number
from skdict.metrics import pearson

LEVELS = ("nominal", "ordinal", "interval")


def krippendorff_alpha(ratings, *, level="ordinal"):
    r"""Return Krippendorff's alpha, the agreement between raters beyond chance.

    Missing ratings are allowed.

    .. math:: \alpha = 1 - (n - 1) \frac{\sum_{c,v} o_{cv} \, \delta_{cv}}
                                       {\sum_{c,v} n_c n_v \, \delta_{cv}}, \qquad
              o_{cv} = \sum_u \frac{n_{uc} (n_{uv} - [c = v])}{m_u - 1}

    The sums run over the units u with :math:`m_u \ge 2` ratings, of which :math:`n_{uc}` are equal
    to c; :math:`n_c = \sum_v o_{cv}`, and n is the sum of all :math:`n_c`. The distance
    :math:`\delta_{cv}` is :math:`[c \ne v]` for nominal ratings, :math:`(c - v)^2` for interval
    ratings, and :math:`(\sum_{g=c}^v n_g - (n_c + n_v) / 2)^2` for ordinal ratings.

    Parameters
    ----------
    ratings : array-like of shape (n_raters, n_units)
        Ratings as numbers, nan if missing, as returned by `Ratings.matrix`.
    level : {"nominal", "ordinal", "interval"}, default="ordinal"
        Level of measurement: unordered categories, ordered categories, or differences that can
        be compared.

    Returns
    -------
    float
        1 for perfect agreement, about 0 for agreement by chance, and negative for agreement below
        chance; nan if all ratings are equal or no unit has two ratings.

    Raises
    ------
    ValueError
        If `ratings` is not two-dimensional, or `level` is not one of the accepted values.

    References
    ----------
    Krippendorff (2011), "Computing Krippendorff's alpha-reliability".

    Examples
    --------
    >>> from skdict.interpretation.ratings import krippendorff_alpha
    >>> krippendorff_alpha([[0, 1, 3, 2], [0, 1, 3, 2]])
    1.0
    """
    check_choice("level", level, LEVELS)
    ratings = _matrix(ratings)
    values = np.unique(ratings[np.isfinite(ratings)])
    # Number of ratings per unit and value; units with a single rating have no pairs.
    counts = (ratings[:, :, None] == values).sum(axis=0).astype(float)
    counts = counts[counts.sum(axis=1) >= 2]
    shares = counts / (counts.sum(axis=1, keepdims=True) - 1)
    coincidences = shares.T @ counts - np.diag(shares.sum(axis=0))
    n = coincidences.sum(axis=1)
    distance = _distances(values, n, level)
    expected = n @ distance @ n
    if expected == 0:
        return np.nan
    return float(1 - (n.sum() - 1) * (coincidences * distance).sum() / expected)


def agreement_with_scores(ratings, scores, *, groups=None, n_resamples=1000, random_state=0):
    r"""Return how well scores agree with human ratings on the order of features.

    Agreement is measured by Spearman's rho and Kendall's tau-b between the mean rating and the
    score of each feature, with 95 % bootstrap confidence intervals that resample features and
    raters. If methods differ in both ratings and scores, the two correlate even if the scores
    carry no information about single features; `within_spearman` therefore correlates ranks
    within each group.

    Parameters
    ----------
    ratings : array-like of shape (n_raters, n_features)
        Ratings as returned by `Ratings.matrix`; nan if missing.
    scores : array-like of shape (n_features,)
        Scores of the same features. Features with score nan or without a rating are left out.
    groups : array-like of shape (n_features,) or None, default=None
        Method that each feature belongs to.
    n_resamples : int, default=1000
        Number of bootstrap resamples.
    random_state : int, default=0
        Seed for the bootstrap.

    Returns
    -------
    dict of str to float
        `spearman`, `kendall` and, if `groups` is given, `within_spearman`, each with the interval
        bounds `_low` and `_high`; `n_features`; `alpha`, Krippendorff's alpha of the ratings at
        the ordinal level, nan for a single rater; `spearman_disattenuated`, Spearman's rho divided
        by :math:`\sqrt{\alpha}`, which corrects for disagreement between raters and is nan unless
        alpha is positive.

    Raises
    ------
    ValueError
        If shapes differ, or fewer than three features have both a rating and a score.

    Examples
    --------
    >>> from skdict.interpretation.ratings import agreement_with_scores
    >>> ratings = [[0, 1, 2, 3], [0, 1, 3, 3]]
    >>> agreement_with_scores(ratings, [0.1, 0.3, 0.5, 0.9])["spearman"]
    1.0
    """
    check_number("n_resamples", n_resamples, low=1, integer=True)
    check_number("random_state", random_state, low=0, integer=True)
    ratings, scores, groups = _check_pairs(ratings, scores, groups)
    found = _correlations(ratings, scores, groups)
    rng = np.random.default_rng(random_state)
    drawn = []
    for _ in range(n_resamples):
        raters = rng.integers(len(ratings), size=len(ratings))
        features = rng.integers(len(scores), size=len(scores))
        part = None if groups is None else groups[features]
        drawn.append(_correlations(ratings[raters][:, features], scores[features], part))
    result = {}
    for name, value in found.items():
        values = np.array([one[name] for one in drawn])
        values = values[np.isfinite(values)]
        low, high = np.quantile(values, [0.025, 0.975]) if len(values) else (np.nan, np.nan)
        result |= {name: value, f"{name}_low": float(low), f"{name}_high": float(high)}
    alpha = krippendorff_alpha(ratings) if len(ratings) > 1 else np.nan
    reliable = np.sqrt(alpha) if alpha > 0 else np.nan
    disattenuated = {"spearman_disattenuated": float(found["spearman"] / reliable)}
    return result | {"n_features": len(scores), "alpha": alpha} | disattenuated


def _check_pairs(ratings, scores, groups):
    """Return ratings, scores and groups of the features that have both a rating and a score."""
    ratings, scores = _matrix(ratings), np.asarray(scores, dtype=float)
    sides = {"scores": scores}
    if groups is not None:
        sides["groups"] = groups = np.unique(np.asarray(groups), return_inverse=True)[1]
    for name, side in sides.items():
        if side.shape != ratings.shape[1:]:
            raise ValueError(
                f"{name} have shape {side.shape} and ratings {ratings.shape}; pass one of "
                f"{name} per column of the ratings"
            )
    kept = np.isfinite(scores) & np.isfinite(ratings).any(axis=0)
    if kept.sum() < 3:
        raise ValueError(
            f"{kept.sum()} features have both a rating and a score; pass at least 3, and expect "
            f"wide intervals with fewer than 60"
        )
    return ratings[:, kept], scores[kept], None if groups is None else groups[kept]


def _correlations(ratings, scores, groups):
    rated = np.isfinite(ratings)
    kept = rated.any(axis=0)
    totals = np.where(rated, ratings, 0).sum(axis=0)[kept]
    means, scores = totals / rated.sum(axis=0)[kept], scores[kept]
    found = {"spearman": pearson(rankdata(means), rankdata(scores))}
    found["kendall"] = float(kendalltau(means, scores).statistic) if len(means) > 1 else np.nan
    if groups is not None:
        found["within_spearman"] = pearson(*(_ranks(v, groups[kept]) for v in (means, scores)))
    return found


def _ranks(values, groups):
    """Return ranks within each group, centred and divided by the size of the group."""
    ranks = np.zeros(len(values))
    for group in np.unique(groups):
        own = groups == group
        ranks[own] = (rankdata(values[own]) - (own.sum() + 1) / 2) / own.sum()
    return ranks


def _matrix(ratings):
    ratings = np.asarray(ratings, dtype=float)
    if ratings.ndim != 2:
        raise ValueError(
            f"ratings have shape {ratings.shape}; pass (n_raters, n_units), with nan for missing "
            f"ratings"
        )
    return ratings


def _distances(values, n, level):
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return np.square(values[:, None] - values)
    # Distance between the middles of two categories, counted in ratings.
    middle = np.cumsum(n) - n / 2
    return np.square(middle[:, None] - middle)
