"""Measurements of rows before training: moments, outliers, centre and scale."""

from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch

from skdict._core import (
    ALONE,
    MEDIANS,
    InlierMoments,
    OutlierRule,
    agreed,
    find_outlier_rule,
    iter_blocks,
    outlier_weights,
    sample_rows,
)
from skdict._validation import check_finite
from skdict.decomposition._column_blocks import BlockScale, split_columns
from skdict.decomposition._user_warning import warn_user
from skdict.exceptions import OutlierWarning

SHOWN_ROWS = 5
# Number of rows that the outlier rule of each block of columns is derived from.
SAMPLE_ROWS = 8192
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
        """Return the scaling of a fitted estimator; with the prefix "target_", of its targets.

        If it has several blocks of columns, this is a `BlockScale`.
        """
        names = (f"{prefix}{name}_" for name in ("mean", "scale", "outlier_cutoff"))
        values = *(getattr(sae, name) for name in names), sae._error_unit, sae._error_unit_inliers
        return (
            BlockScale(tuple(sae.blocks_.tolist()), *values)
            if np.ndim(sae.scale_)
            else cls(*values)
        )

    @property
    def unit(self):
        """Unit of codes and pre-activations."""
        return self.scale

    @property
    def columns(self):
        """Divisor of all columns."""
        return self.scale

    @property
    def rules(self):
        """The outlier rule, to apply to further rows, in a list."""
        return [OutlierRule(self.mean.astype(np.float64), self.cutoff)]

    def weights(self, x):
        """Return the weights of scaled rows (n, d) in the loss: 1, or less for outliers."""
        return outlier_weights(torch.linalg.vector_norm(x, dim=1), self.cutoff / self.scale)


def measure_rows(sides, rules=None, *, center=True, sizes=None, group=ALONE):
    """Return the `InlierMoments` of rows and of their targets, after checking that they are finite.

    A row is an outlier if it or its target is beyond the cutoff, or any of its blocks of columns.

    Parameters
    ----------
    sides : list of array-like of shape (n, d)
        Rows and, for a transcoder, their targets; read in blocks.
    rules : list of OutlierRule, optional
        Rules that identify outliers. By default they are derived from these rows.
    center : bool, default=True
        If True, measure distances from the mean, else from the origin.
    sizes : tuple of int, optional
        Sizes of the blocks of columns of rows without targets, to measure each separately.
    group : Alone or Group, optional
        Processes that each measure some of the blocks of the same rows.

    Returns
    -------
    list of InlierMoments
        Moments of each side, or of each block.
    """
    with agreed(group):
        if rules is None:
            rules = [find_outlier_rule(rows, center=center) for rows in _parts(sides, sizes)]
        moments = _measure(sides, rules, sizes, group)
    return [reduce(InlierMoments.merge, group.gather_objects(one)) for one in moments]


def _parts(sides, sizes):
    """Return what a rule is derived from for each: the sides, or a sample of each block."""
    return sides if sizes is None else split_columns(sample_rows(sides[0], SAMPLE_ROWS), sizes)


def _measure(sides, rules, sizes, group):
    """Return the moments of the rows that this process reads."""
    moments = [InlierMoments(rule) for rule in rules]
    for start, block in iter_blocks(sides[0], group=group):
        blocks = [block, *(np.asarray(rows[start : start + len(block)]) for rows in sides[1:])]
        for name, block in zip(NAMES, blocks, strict=False):
            check_finite(block, start, name)
        parts = blocks if sizes is None else split_columns(blocks[0], sizes)
        pairs = list(zip(moments, parts, strict=True))
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


def warn_of_outlier_rows(moments, has_targets=False):
    """Warn about outlier rows: their number, indices, share of the variance and treatment.

    Parameters
    ----------
    moments : list of InlierMoments
        Moments of the rows and, for a transcoder, of their targets; or of each block of columns.
    has_targets : bool, default=False
        True if the second moments are those of targets.
    """
    rows = moments[0].outliers
    if not rows:
        return
    shares = [f"{one.outlier_share:.0%}" for one in moments]
    of, means = "the variance", "mean_ and scale_"
    if has_targets:
        of, means = "the variance of X and y", "the means and scales"
    elif len(moments) > 1:
        of = "the variance of the blocks"
    shown = ", ".join(map(str, rows[:SHOWN_ROWS])) + (", ..." if len(rows) > SHOWN_ROWS else "")
    warn_user(
        f"{len(rows)} of {moments[0].total.n_rows} rows have more than {MEDIANS:g} times the "
        f"median norm and account for {' and '.join(shares)} of {of} (rows {shown}); "
        f"they are excluded from {means} and have less weight in training. Drop them if "
        f"you do not need them",
        OutlierWarning,
    )
