"""Prepare rows for training: measure, split and scale them."""

import numpy as np

from skdict._core import resolve_device
from skdict._validation import check_random_state, compute_dtype
from skdict.decomposition._held_out import split_rows
from skdict.decomposition._measured_rows import RowScale, fitted_rule, measure_rows, row_scale
from skdict.decomposition._scaled_rows import ScaledRows


def training_rows(sae, X, *, hold_out=True):
    """Return `ScaledRows` with centre and scale measured on the rows.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder
        Estimator whose parameters are used.
    X : array-like of shape (n, d)
        Rows, checked by `check_rows`.
    hold_out : bool, default=True
        If True, hold out rows if `sae` needs them to measure L0.
    """
    moments = measure_rows(X, center=sae.center)
    scaling = row_scale(X, moments, sae.center, sae.rescale)
    dtype = compute_dtype(X)
    X, held_out = split_rows(sae, X) if hold_out else (X, None)
    return _scaled(sae, X, moments, scaling, dtype, _draw_seed(sae), held_out)


def block_rows(sae, X):
    """Return `ScaledRows` of a later block, with the centre, scale and dtype of the first."""
    moments = measure_rows(X, fitted_rule(sae))
    # Every block is shuffled in a different order.
    seed = _draw_seed(sae) + sae.n_steps_
    return _scaled(sae, X, moments, RowScale.of(sae), sae.components_.dtype, seed)


def _draw_seed(sae):
    return check_random_state(sae.random_state).randint(np.iinfo(np.int32).max)


def _scaled(sae, X, moments, scaling, dtype, seed, held_out=None):
    device = resolve_device(sae.device)
    return ScaledRows(X, scaling, moments, held_out, dtype=dtype, device=device, seed=seed)
