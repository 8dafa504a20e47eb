"""Measurements of rows before training: moments, outliers, centre and scale."""

from dataclasses import dataclass

import numpy as np

from skdict._core import MEDIANS, InlierMoments, OutlierRule, find_outlier_rule, iter_blocks
from skdict._validation import check_finite
from skdict.decomposition._user_warning import warn_user
from skdict.exceptions import OutlierWarning

SHOWN_ROWS = 5


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
    def of(cls, sae):
        """Return the centre, scale and cutoff of a fitted estimator."""
        units = sae._error_unit, sae._error_unit_inliers
        return cls(sae.mean_, sae.scale_, sae.outlier_cutoff_, *units)


def measure_rows(X, rule=None, *, center=True):
    """Return the `InlierMoments` of rows, after checking that they are finite.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Rows, read in blocks.
    rule : OutlierRule, optional
        Rule that identifies outliers. By default it is derived from these rows.
    center : bool, default=True
        If True, measure distances from the mean, else from the origin.
    """
    moments = InlierMoments(find_outlier_rule(X, center=center) if rule is None else rule)
    for start, block in iter_blocks(X):
        moments.update(check_finite(block, start))
    return moments


def row_scale(X, moments, center, rescale):
    """Return the `RowScale` of rows, given their moments.

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
            f"all {total.n_rows} rows of X are equal, so there is nothing to learn; "
            f"pass rows that vary"
        )
    if not np.finfo(np.float32).tiny < mean_square < np.finfo(np.float64).max:
        raise ValueError(
            f"the rows have a mean square norm of {mean_square:.3g}, which overflows or "
            f"underflows in training; multiply X by a constant that brings it near 1"
        )
    scale = float(np.sqrt(mean_square)) if rescale else 1.0
    return RowScale(
        mean,
        scale,
        moments.rule.cutoff,
        scale**2 / total.variance,
        scale**2 / inliers.variance,
    )


def fitted_rule(dictionary):
    """Return the outlier rule of a fitted dictionary, to apply to its next block of rows."""
    return OutlierRule(dictionary.mean_.astype(np.float64), dictionary.outlier_cutoff_)


def warn_of_outlier_rows(moments):
    """Warn about outlier rows: their number, indices, share of the variance and treatment."""
    rows = moments.outliers
    if not rows:
        return
    shown = ", ".join(map(str, rows[:SHOWN_ROWS])) + (", ..." if len(rows) > SHOWN_ROWS else "")
    warn_user(
        f"{len(rows)} of {moments.total.n_rows} rows have more than {MEDIANS:g} times the "
        f"median norm and account for {moments.outlier_share:.0%} of the variance (rows {shown}); "
        f"they are excluded from mean_ and scale_ and have less weight in training. Drop them if "
        f"you do not need them",
        OutlierWarning,
    )
