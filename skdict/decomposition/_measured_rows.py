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
    """Centre, scale and outlier cutoff of rows, and the units of FVU.

    Parameters
    ----------
    mean : ndarray of shape (d,)
        Subtracted from the rows.
    scale : float
        Divides the centred rows.
    cutoff : float
        Largest norm of a centred row that is not an outlier.
    error_unit : float
        FVU of all rows for a mean squared error of 1 on scaled rows.
    inlier_error_unit : float
        The same for the rows within the cutoff.
    """

    mean: np.ndarray
    scale: float
    cutoff: float
    error_unit: float
    inlier_error_unit: float

    @classmethod
    def of(cls, sae):
        """Return the scale that an estimator was fitted with."""
        units = sae._error_unit, sae._error_unit_inliers
        return cls(sae.mean_, sae.scale_, sae.outlier_cutoff_, *units)


def measure_rows(X, rule=None, *, center=True):
    """Return the `InlierMoments` of rows, all of them checked to be finite.

    Parameters
    ----------
    X : array-like of shape (n, d)
        The rows, read in blocks.
    rule : OutlierRule, optional
        By default the rule for these rows.
    center : bool, default=True
        Measure distances from the mean; if False, from the origin.
    """
    moments = InlierMoments(find_outlier_rule(X, center=center) if rule is None else rule)
    for start, block in iter_blocks(X):
        moments.update(check_finite(block, start))
    return moments


def row_scale(X, moments, center, rescale):
    """Return the centre and scale of rows whose moments are known.

    Raises
    ------
    ValueError
        If the rows are all equal, or too large or too small to be computed with.
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
            f"the mean square norm of the rows, {mean_square:.3g}, is beyond what can be "
            f"computed with; multiply X by a constant that brings it near 1"
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
    """Return the outlier rule of a fitted dictionary, for the next block of rows."""
    return OutlierRule(dictionary.mean_.astype(np.float64), dictionary.outlier_cutoff_)


def warn_of_outlier_rows(moments):
    """Warn of outlier rows: how many, which, their share of the variance and how they are used."""
    rows = moments.outliers
    if not rows:
        return
    shown = ", ".join(map(str, rows[:SHOWN_ROWS])) + (", ..." if len(rows) > SHOWN_ROWS else "")
    warn_user(
        f"{len(rows)} of {moments.total.n_rows} rows have more than {MEDIANS:g} times the "
        f"median norm and hold {moments.outlier_share:.0%} of the variance (rows {shown}); they "
        f"are left out of mean_ and scale_ and weigh less in training. Drop them if they are of "
        f"no interest",
        OutlierWarning,
    )
