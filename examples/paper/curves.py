"""Patching curves as records, and what is read off them."""

import numpy as np
from common import interval, with_interval

from skdict.interventions import patching_curve

COLUMNS = ("n_patched", "kl", "reverse_kl", "logit_diff")
COLUMNS += ("edit_magnitude", "relative_edit_magnitude")
ENDS = ("kl_base", "kl_error", "n_features_90", "area")


def measured_curve(pair, hook_point, dictionary, task, **options):
    """Return a record per point of a patching curve."""
    curve = patching_curve(pair[0], hook_point, dictionary, task, **options)
    ends = {key: curve[key] for key in ENDS} | {"n_differing": len(curve.order)}
    points = ({c: float(curve[c][i]) for c in COLUMNS} for i in range(len(curve.n_patched)))
    return [point | ends for point in points]


def kl_at_edit(edits, kls, edit):
    """Return the divergence where each curve first reaches an edit, nan if it never does."""
    values = []
    for x, y in zip(np.maximum.accumulate(edits, axis=1), kls, strict=True):
        values.append(np.interp(edit, x, y) if x[-1] >= edit else np.nan)
    return np.array(values)


def until_half(counts, edits, kls):
    """Return how many features bring each curve to half of its start, and the edit there.

    Between measured points the number is interpolated on a logarithmic scale; nan where half of
    the start is never reached.
    """
    found = []
    for n, edit, kl in zip(counts, edits, kls, strict=True):
        below = np.flatnonzero(kl <= kl[0] / 2)
        if not len(below):
            found.append((np.nan, np.nan))
            continue
        i = below[0]
        share = (kl[i - 1] - kl[0] / 2) / (kl[i - 1] - kl[i])
        log_n = np.log1p(n[i - 1 : i + 1]) @ (1 - share, share)
        found.append((np.expm1(log_n), edit[i - 1 : i + 1] @ (1 - share, share)))
    return np.array(found).T


def cell_of(values):
    """Return the mean over seeds as text, or "never" where a curve never gets there."""
    return "never" if np.isnan(values).any() else with_interval(*interval(values))


def half_cell(counts, edits, kls):
    """Return the cell with the number of features for half of the effect, and the edit there."""
    half, edit = until_half(counts, edits, kls)
    return "never" if np.isnan(half).any() else f"{half.mean():.0f} ({edit.mean():.2f})"
