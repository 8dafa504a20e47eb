"""Measurements of rows before training: moments, outliers, centre and scale."""

from dataclasses import dataclass
from functools import reduce

import numpy as np

from skdict._core import (
    ALONE,
    MEDIANS,
    InlierMoments,
    OutlierRule,
    agreed,
    find_outlier_rule,
    iter_blocks,
)
from skdict._validation import check_finite
from skdict.decomposition._user_warning import warn_user
from skdict.exceptions import OutlierWarning

SHOWN_ROWS = 5
# Rows and, for a transcoder, their targets, as messages call them.
NAMES = "X", "y"


@dataclass(frozen=True)
class RowScale:
    """Centre, scale and outlier cutoff of rows, with factors from squared error to FVU.

    Parameters
    ----------
    mean : ndarray of shape (d,)
        Row that is subtracted from all rows.
    scale : float
        Divisor of the centred rows.
    cutoff : float
        Norm above which a centred row is an outlier.
    error_unit : float
        FVU of all rows at a mean squared error of 1 on scaled rows.
    inlier_error_unit : float
        FVU of the rows within the cutoff at a mean squared error of 1 on these, scaled.
    """

    mean: np.ndarray
    scale: float
    cutoff: float
    error_unit: float
    inlier_error_unit: float

    @classmethod
    def of(cls, sae, prefix=""):
        """Return the centre, scale and cutoff of a fitted estimator; "target_" for its targets."""
        names = (f"{prefix}{name}_" for name in ("mean", "scale", "outlier_cutoff"))
        units = sae._error_unit, sae._error_unit_inliers
        return cls(*(getattr(sae, name) for name in names), *units)

    @property
    def rule(self):
        """The outlier rule, to apply to further rows."""
        return OutlierRule(self.mean.astype(np.float64), self.cutoff)


def measure_rows(sides, rules=None, *, center=True, group=ALONE):
    """Return the `InlierMoments` of rows and of their targets, after checking that they are finite.

    A row is an outlier if it or its target is beyond the cutoff.

    Parameters
    ----------
    sides : list of array-like of shape (n, d)
        Rows and, for a transcoder, their targets; read in blocks.
    rules : list of OutlierRule, optional
        Rules that identify outliers. By default they are derived from these rows.
    center : bool, default=True
        If True, measure distances from the mean, else from the origin.
    group : Alone or Group, optional
        Processes that each measure some of the blocks of the same rows.

    Returns
    -------
    list of InlierMoments
    """
    with agreed(group):
        if rules is None:
            rules = [find_outlier_rule(rows, center=center) for rows in sides]
        moments = _measure(sides, rules, group)
    return [reduce(InlierMoments.merge, group.gather_objects(one)) for one in moments]


def _measure(sides, rules, group):
    """Return the moments of the blocks of this process."""
    moments = [InlierMoments(rule) for rule in rules]
    for start, block in iter_blocks(sides[0], group=group):
        blocks = [block, *(np.asarray(rows[start : start + len(block)]) for rows in sides[1:])]
        for name, block in zip(NAMES, blocks, strict=False):
            check_finite(block, start, name)
        pairs = list(zip(moments, blocks, strict=True))
        beyond = np.any([one.rule.is_outlier(block) for one, block in pairs], axis=0)
        for one, block in pairs:
            one.update(block, beyond, start)
    return moments


def row_scale(X, moments, center, rescale, name="X"):
    """Return the `RowScale` of rows, given their moments and their name in messages.

    Raises
    ------
    ValueError
        If all rows are equal, or if their mean square norm overflows or underflows.
    """
    total, inliers = moments.total, moments.inliers
    mean = inliers.mean if center else np.zeros_like(inliers.mean)
    mean_square = inliers.variance if center else inliers.mean_square
    if total.squared_deviations == 0 and (total.mean == X[0]).all():
        raise ValueError(
            f"all {total.n_rows} rows of {name} are equal, so there is nothing to learn; "
            f"pass rows that vary"
        )
    if not np.finfo(np.float32).tiny < mean_square < np.finfo(np.float64).max:
        raise ValueError(
            f"the rows have a mean square norm of {mean_square:.3g}, which overflows or "
            f"underflows in training; multiply {name} by a constant that brings it near 1"
        )
    scale = float(np.sqrt(mean_square)) if rescale else 1.0
    return RowScale(
        mean,
        scale,
        moments.rule.cutoff,
        scale**2 / total.variance,
        scale**2 / inliers.variance,
    )


def warn_of_outlier_rows(moments):
    """Warn about outlier rows: their number, indices, share of the variance and treatment.

    Parameters
    ----------
    moments : list of InlierMoments
        Moments of the rows and, for a transcoder, of their targets.
    """
    rows = moments[0].outliers
    if not rows:
        return
    shares = [f"{one.outlier_share:.0%}" for one in moments]
    of, means = "the variance", "mean_ and scale_"
    if len(moments) > 1:
        of, means = "the variance of X and y", "the means and scales"
    shown = ", ".join(map(str, rows[:SHOWN_ROWS])) + (", ..." if len(rows) > SHOWN_ROWS else "")
    warn_user(
        f"{len(rows)} of {moments[0].total.n_rows} rows have more than {MEDIANS:g} times the "
        f"median norm and account for {' and '.join(shares)} of {of} (rows {shown}); "
        f"they are excluded from {means} and have less weight in training. Drop them if "
        f"you do not need them",
        OutlierWarning,
    )
