"""Prepare rows for training: measure, split and scale them."""

import numpy as np

from skdict._core import resolve_device
from skdict._validation import check_random_state, compute_dtype
from skdict.decomposition._held_out import split_rows
from skdict.decomposition._measured_rows import NAMES, RowScale, measure_rows, row_scale
from skdict.decomposition._scaled_rows import ScaledRows
from skdict.decomposition._sharding import check_processes, group_of


def training_rows(sae, X, targets=None, *, hold_out=True):
    """Return `ScaledRows` with centre and scale measured on the rows.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder or SparseTranscoder
        Estimator whose parameters are used.
    X : array-like of shape (n, d)
        Rows, checked by `check_rows`.
    targets : array-like of shape (n, d_out), optional
        Targets of a transcoder, checked by `check_targets`.
    hold_out : bool, default=True
        If True, hold out rows if `sae` needs them to measure L0.
    """
    sides, dtype, held_out = _sides(X, targets), compute_dtype(X), None
    group = group_of(sae)
    check_processes(sae, sides, group)
    moments = measure_rows(sides, center=sae.center, group=group)
    scalings = [
        row_scale(rows, one, sae.center, sae.rescale, name)
        for rows, one, name in zip(sides, moments, NAMES, strict=False)
    ]
    if hold_out:
        sides, held_out = zip(*(split_rows(sae, rows) for rows in sides), strict=True)
        held_out = None if held_out[0] is None else held_out
    return _scaled(sae, sides, moments, scalings, dtype, _draw_seed(sae, group), group, held_out)


def block_rows(sae, X, targets=None):
    """Return `ScaledRows` of a later block, with the centre, scale and dtype of the first."""
    sides = _sides(X, targets)
    scalings = [RowScale.of(sae, prefix) for prefix in ("", "target_")[: len(sides)]]
    group = group_of(sae)
    check_processes(sae, sides, group)
    moments = measure_rows(sides, [scaling.rule for scaling in scalings], group=group)
    # Every block is shuffled in a different order.
    seed = _draw_seed(sae, group) + sae.n_steps_
    return _scaled(sae, sides, moments, scalings, sae.components_.dtype, seed, group)


def _sides(X, targets):
    return [X] if targets is None else [X, targets]


def _draw_seed(sae, group):
    """Draw the seed of a fit; all processes of a group use that of the first."""
    seed = check_random_state(sae.random_state).randint(np.iinfo(np.int32).max)
    return group.gather_objects(seed)[0]


def _scaled(sae, sides, moments, scalings, dtype, seed, group, held_out=None):
    device = resolve_device(sae.device)
    options = {"dtype": dtype, "device": device, "seed": seed, "group": group}
    return ScaledRows(sides, scalings, moments, held_out, **options)
