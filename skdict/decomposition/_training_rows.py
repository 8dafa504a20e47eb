"""Prepare rows for training: measure, split and scale them."""

import numpy as np

from skdict._core import resolve_device
from skdict._validation import check_random_state, compute_dtype
from skdict.decomposition._column_blocks import BlockScale, block_sizes, split_columns
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
    sizes = block_sizes(sae, X.shape[1])
    if sizes is None or len(sizes) == 1:
        moments, scalings = _measured_sides(sae, sides, group)
    else:
        moments, scalings = _measured_blocks(sae, sides, sizes, group)
    if hold_out:
        sides, held_out = zip(*(split_rows(sae, rows) for rows in sides), strict=True)
        held_out = None if held_out[0] is None else held_out
    options = {"dtype": dtype, "seed": _draw_seed(sae, group), "blocks": sizes, "group": group}
    return _scaled(sae, sides, moments, scalings, held_out, **options)


def block_rows(sae, X, targets=None):
    """Return `ScaledRows` of a later block, with the centre, scale and dtype of the first."""
    sides = _sides(X, targets)
    group = group_of(sae)
    check_processes(sae, sides, group)
    sizes = block_sizes(sae, X.shape[1])
    _check_same_blocks(sae, sizes)
    scalings = [RowScale.of(sae, prefix) for prefix in ("", "target_")[: len(sides)]]
    rules = [rule for scaling in scalings for rule in scaling.rules]
    blocks = getattr(scalings[0], "sizes", None)
    moments = measure_rows(sides, rules, sizes=blocks, group=group)
    # Every block is shuffled in a different order.
    seed = _draw_seed(sae, group) + sae.n_steps_
    options = {"dtype": sae.components_.dtype, "seed": seed, "blocks": sizes, "group": group}
    return _scaled(sae, sides, moments, scalings, **options)


def _check_same_blocks(sae, sizes):
    given, earlier = getattr(sae, "blocks", None), getattr(sae, "blocks_", None)
    if sizes != (None if earlier is None else tuple(earlier.tolist())):
        raise ValueError(
            f"blocks={given!r} differs from the value used for earlier rows; restore it, or start "
            f"afresh with a clone of the estimator"
        )


def _measured_sides(sae, sides, group):
    """Return the moments and scalings of rows and of their targets."""
    moments = measure_rows(sides, center=sae.center, group=group)
    return moments, [
        row_scale(rows, one, sae.center, sae.rescale, name)
        for rows, one, name in zip(sides, moments, NAMES, strict=False)
    ]


def _measured_blocks(sae, sides, sizes, group):
    """Return the moments of each block of columns, and the scaling of whole rows in a list."""
    moments = measure_rows(sides, center=sae.center, sizes=sizes, group=group)
    first = split_columns(np.asarray(sides[0][:1]), sizes)
    parts = [
        row_scale(rows, one, sae.center, sae.rescale, f"block {i} of X")
        for i, (rows, one) in enumerate(zip(first, moments, strict=True))
    ]
    return moments, [BlockScale.joined(sizes, parts, rescale=sae.rescale)]


def _sides(X, targets):
    return [X] if targets is None else [X, targets]


def _draw_seed(sae, group):
    """Draw the seed of a fit; all processes of a group use that of the first."""
    seed = check_random_state(sae.random_state).randint(np.iinfo(np.int32).max)
    return group.gather_objects(seed)[0]


def _scaled(sae, sides, moments, scalings, held_out=None, **options):
    device = resolve_device(sae.device)
    return ScaledRows(sides, scalings, moments, held_out, device=device, **options)
