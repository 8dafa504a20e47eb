"""How far people agree with one another, and with scores."""

import numpy as np
from scipy.stats import kendalltau, rankdata

from skdict._validation import check_choice, check_number
from skdict.metrics import pearson

LEVELS = ("nominal", "ordinal", "interval")


def krippendorff_alpha(ratings, *, level="ordinal"):
    r"""Return how far several people agree beyond chance, missing ratings allowed.

    .. math:: \alpha = 1 - (n - 1) \frac{\sum_{c,v} o_{cv} \, \delta_{cv}}
                                       {\sum_{c,v} n_c n_v \, \delta_{cv}}, \qquad
              o_{cv} = \sum_u \frac{n_{uc} (n_{uv} - [c = v])}{m_u - 1}

    over the units u with :math:`m_u \ge 2` ratings, :math:`n_{uc}` of them c, with
    :math:`n_c = \sum_v o_{cv}` and n their sum. The distance :math:`\delta_{cv}` is
    :math:`[c \ne v]`, :math:`(c - v)^2`, or for ordinal ratings
    :math:`(\sum_{g=c}^v n_g - (n_c + n_v) / 2)^2`.

    Parameters
    ----------
    ratings : array-like of shape (n_raters, n_units)
        Numbers; nan where there is no rating, as `Ratings.matrix` gives them.
    level : {"nominal", "ordinal", "interval"}, default="ordinal"
        What the numbers mean: names, an order, or amounts.

    Returns
    -------
    float
        1 if all agree, about 0 by chance, below 0 if people disagree more than by chance;
        nan where all ratings are equal, or no unit has two.

    Raises
    ------
    ValueError
        If the ratings are not two-dimensional, or the level is another.

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
    # Ratings of each value in each unit; units with one rating pair with nothing.
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
    r"""Return how far scores order features as people do.

    Spearman's rho and Kendall's tau-b between the mean rating of each feature and its score.
    Intervals are 95 % bootstrap ones, features and raters drawn anew. Methods that differ in both
    ratings and scores correlate even if neither knows anything of a single feature, so
    `within_spearman` takes ranks inside each group and correlates those.

    Parameters
    ----------
    ratings : array-like of shape (n_raters, n_features)
        As `Ratings.matrix` gives them; nan where there is no rating.
    scores : array-like of shape (n_features,)
        Scores of the same features; those that are nan are left out, and so are features
        without a rating.
    groups : array-like of shape (n_features,) or None, default=None
        The method of each feature.
    n_resamples : int, default=1000
        Draws of the bootstrap.
    random_state : int, default=0
        Of the draws.

    Returns
    -------
    dict of str to float
        `spearman`, `kendall` and, with groups, `within_spearman`, each with `_low` and `_high`;
        `n_features`; `alpha`, Krippendorff's ordinal one of the ratings, nan for one person;
        `spearman_disattenuated`, Spearman's rho over :math:`\sqrt{\alpha}`, what it would be
        if people agreed, nan unless alpha is above 0.

    Raises
    ------
    ValueError
        If shapes differ, or fewer than three features have both rating and score.

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
    """Return the features that have rating and score."""
    ratings, scores = _matrix(ratings), np.asarray(scores, dtype=float)
    sides = {"scores": scores}
    if groups is not None:
        sides["groups"] = groups = np.unique(np.asarray(groups), return_inverse=True)[1]
    for name, side in sides.items():
        if side.shape != ratings.shape[1:]:
            raise ValueError(
                f"{name} have shape {side.shape} and ratings {ratings.shape}; pass one of "
                f"{name} for each column of the ratings"
            )
    kept = np.isfinite(scores) & np.isfinite(ratings).any(axis=0)
    if kept.sum() < 3:
        raise ValueError(
            f"{kept.sum()} features have a rating and a score; pass at least 3, and do expect "
            f"wide intervals below 60"
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
    """Return ranks inside each group, centred and divided by its size."""
    ranks = np.zeros(len(values))
    for group in np.unique(groups):
        own = groups == group
        ranks[own] = (rankdata(values[own]) - (own.sum() + 1) / 2) / own.sum()
    return ranks


def _matrix(ratings):
    ratings = np.asarray(ratings, dtype=float)
    if ratings.ndim != 2:
        raise ValueError(
            f"ratings have shape {ratings.shape}; pass (n_raters, n_units), nan where missing"
        )
    return ratings


def _distances(values, n, level):
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return np.square(values[:, None] - values)
    # From the middle of one value's ratings to the middle of the other's, in ratings.
    middle = np.cumsum(n) - n / 2
    return np.square(middle[:, None] - middle)
