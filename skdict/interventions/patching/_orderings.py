"""Orders in which to patch features, most important first."""

from typing import NamedTuple

import numpy as np

from skdict._validation import check_random_state
from skdict.interventions.patching._attribution import gradient_effects
from skdict.interventions.patching._patch_state import PatchState

ORDERS = ("attribution", "integrated_gradients", "greedy", "acdc", "magnitude", "random")
LOOK_AHEAD = 64


class Ordering(NamedTuple):
    """Differing features by column, most important first.

    Parameters
    ----------
    columns : ndarray of int
        Columns in patching order.
    thresholds : ndarray of float or None
        For ACDC, the smallest threshold at which each feature of `columns` was dropped; infinity
        if it was never dropped, nan if it was not a candidate. None for other orders.
    """

    columns: np.ndarray
    thresholds: np.ndarray | None = None


def order_features(runs, order, *, metric, n_steps, thresholds, min_activity, max_features, seed):
    """Return the differing features of two runs in one of `ORDERS`."""
    n = len(runs.features)
    if order == "random":
        return Ordering(check_random_state(seed).permutation(n))
    if order == "magnitude":
        return Ordering(_descending(_magnitudes(runs)))
    weight = _weight(runs, metric)
    if order == "greedy":
        return Ordering(_greedy(runs, metric, weight, max_features))
    n_steps = n_steps if order == "integrated_gradients" else 0
    importance = -weight * gradient_effects(runs, metric, n_steps)[0]
    if order != "acdc":
        return Ordering(_descending(importance))
    return _acdc(runs, metric, weight, importance, thresholds, min_activity)


def _weight(runs, metric):
    """Return 1 if the metric falls from the base to the target run, -1 if it rises."""
    pairs = np.arange(runs.n_pairs)
    before, after = (runs.values(metric, pairs, x).mean() for x in (runs.base, runs.target))
    return 1.0 if after <= before else -1.0


def _descending(values):
    return np.argsort(-values, kind="stable")


def _magnitudes(runs):
    """Return the total length of what each feature would add; scales of directions cancel."""
    sizes = runs.delta.abs().flatten(1).sum(dim=1) * runs.atoms.norm(dim=1)
    return sizes.double().cpu().numpy()


def _greedy(runs, metric, weight, max_features):
    """Patch the feature that lowers the loss most, repeatedly.

    After `max_features`, the remaining features follow in the order of their last gains.
    """
    state = PatchState(runs, metric, runs.base, weight=weight)
    left, order = np.arange(len(runs.features)), []
    while len(left):
        gains = state.gains(left)
        if max_features is not None and len(order) >= max_features:
            order.extend(left[np.argsort(gains, kind="stable")])
            break
        best = left[np.argmin(gains)]
        state.move(best)
        order.append(best)
        left = left[left != best]
    return np.array(order, dtype=int)


def _acdc(runs, metric, weight, importance, thresholds, min_activity):
    """Order features by ACDC: drop those that cost less than a threshold, in rising rounds.

    All candidates start patched. A round visits the remaining features in order of increasing
    attribution, so that their numbering does not matter, and drops a feature if the loss then rises
    by less than the threshold. Features dropped last are most important; within a round, those that
    cost most.
    """
    candidates = np.flatnonzero(runs.active > min_activity)
    visit = candidates[np.argsort(importance[candidates], kind="stable")]
    state = PatchState(runs, metric, runs.base + runs.moved(visit), sign=-1, weight=weight)
    n = len(runs.features)
    dropped_at, costs = np.full(n, np.nan), np.zeros(n)
    dropped_at[visit] = np.inf
    for threshold in thresholds:
        for column, cost in _drop_below(state, visit, threshold):
            dropped_at[column], costs[column] = threshold, cost
        visit = visit[np.isinf(dropped_at[visit])]
    costs[visit] = state.gains(visit)
    left_out = np.setdiff1d(np.arange(n), candidates)
    ranked = candidates[np.lexsort((-costs[candidates], -dropped_at[candidates]))]
    rest = left_out[_descending(importance[left_out])]
    columns = np.concatenate([ranked, rest])
    return Ordering(columns, dropped_at[columns])


def _drop_below(state, visit, threshold):
    """Drop features that cost less than a threshold, one by one; yield column and cost.

    Several features are run together, and costs that a drop makes invalid are run again. The
    features dropped are those that would be dropped one by one.
    """
    start, ahead = 0, 1
    while start < len(visit):
        block = visit[start : start + ahead]
        costs = state.gains(block)
        below = np.flatnonzero(costs < threshold)
        if len(below) == 0:
            start, ahead = start + len(block), min(2 * ahead, LOOK_AHEAD)
            continue
        first = below[0]
        state.move(block[first])
        yield block[first], costs[first]
        start, ahead = start + first + 1, max(1, ahead // 2)
