"""Train sparse autoencoders and transcoders, from rows to fitted attributes."""

from functools import partial

import numpy as np

from skdict._core import Weights, agreed, resolve_device, without_autocast
from skdict._validation import check_rows, check_targets
from skdict.decomposition._activation import is_steered, penalty_kind
from skdict.decomposition._autoencoder_params import check_autoencoder_params, told_what_to_lower
from skdict.decomposition._base import width_restored_on_error
from skdict.decomposition._blocks import check_finite_rows
from skdict.decomposition._contract import is_transcoder
from skdict.decomposition._dead_features import warn_of_dead_features
from skdict.decomposition._debias import refit_weights
from skdict.decomposition._defaults import setting, settings_used
from skdict.decomposition._fit import Fit, run_together
from skdict.decomposition._measured_rows import RowScale, warn_of_outlier_rows
from skdict.decomposition._observers._callbacks import EpochCallbacks, with_callbacks
from skdict.decomposition._observers._convergence import Convergence
from skdict.decomposition._observers._progress import Progress
from skdict.decomposition._observers._resampling import Resampling
from skdict.decomposition._observers._steering import Aim, Steering
from skdict.decomposition._parts import gather_features
from skdict.decomposition._schedule import BlockSchedule, Schedule
from skdict.decomposition._sharding import group_of, only_first_warns
from skdict.decomposition._starts import continued_start, start_of
from skdict.decomposition._trainers import learned_of, new_trainer, weights_of
from skdict.decomposition._training_rows import block_rows, training_rows

# Attributes that an earlier fit may have set and the next one may not: the optimiser's state of
# `partial_fit`, the metadata of a loaded dictionary, and weights of another activation.
LEFT_BEHIND = (
    "_moments",
    "metadata_",
    "block_",
    "blocks_",
    "bandwidths_",
    "feature_range_",
    *Weights.attribute_names(),
)


def _replace(sae, attributes, gone=LEFT_BEHIND):
    """Set the fitted attributes of an estimator, after removing those of an earlier fit."""
    for name in gone:
        vars(sae).pop(name, None)
    vars(sae).update(attributes)


@with_callbacks
def fit_autoencoder(sae, X, observers=(), *, y=None):
    """Fit an estimator to rows, or to rows and their targets.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder or SparseTranscoder
        Estimator to fit in place. It does not change if fitting fails.
    X : array-like of shape (n_samples, n_features)
        Rows passed by the user.
    observers : iterable of Observer, default=()
        Additional observers, called after those that the parameters ask for.
    y : array-like of shape (n_samples, n_targets), optional
        Targets of a transcoder, passed by the user.

    Returns
    -------
    SparseDictionaryAutoencoder or SparseTranscoder
        The fitted estimator.
    """
    group = group_of(sae)
    with width_restored_on_error(sae), told_what_to_lower(sae), only_first_warns(group):
        with agreed(group):
            check_autoencoder_params(sae)
            X = check_rows(sae, X, reset=True, min_rows=2)
            y = _checked_targets(sae, X, y)
        with without_autocast(resolve_device(sae.device)):
            _fit_rows(sae, X, y, observers)
        warn_of_dead_features(sae)
    return sae


def _checked_targets(sae, X, y, width=None):
    """Return the checked targets of a transcoder; None for an autoencoder."""
    return check_targets(X, y, type(sae).__name__, width=width) if is_transcoder(sae) else None


def _fit_rows(sae, X, targets, observers):
    rows = training_rows(sae, X, targets)
    start = start_of(sae, rows)
    callbacks = EpochCallbacks(sae, X, targets, partial(_fitted_attributes, sae))
    fit = new_fit(sae, start, rows, [callbacks, *observers])
    run_together([fit])
    _replace(sae, finished_attributes(sae, fit, X) | row_attributes(rows))
    warn_of_outlier_rows(rows.moments, rows.has_targets)
    callbacks.end_fit(fit)


def fit_block(sae, X, y=None):
    """Train an estimator for one pass over its first or next block of rows.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder or SparseTranscoder
        Estimator to fit in place. It does not change if fitting fails.
    X : array-like of shape (n_samples, n_features)
        Rows passed by the user.
    y : array-like of shape (n_samples, n_targets), optional
        Targets of a transcoder, passed by the user.

    Returns
    -------
    SparseDictionaryAutoencoder or SparseTranscoder
        The fitted estimator.
    """
    check_autoencoder_params(sae)
    if sae.shard == "components":
        raise ValueError(
            "partial_fit does not support shard='components', because each process would keep a "
            "part of the optimiser's state; pass shard='rows', or fit memory-mapped rows with fit"
        )
    if sae.debias:
        raise ValueError(
            "debias=True refits codes at the end of training, but partial_fit does not know when "
            "training ends; pass debias=False and call refit_codes after the last block, or use fit"
        )
    first, group = not hasattr(sae, "components_"), group_of(sae)
    with width_restored_on_error(sae), only_first_warns(group):
        with agreed(group):
            X = check_rows(sae, X, reset=first, min_rows=2 if first else 1)
            targets = _checked_targets(sae, X, y, None if first else sae.components_.shape[1])
        with without_autocast(resolve_device(sae.device)):
            (_fit_first_block if first else _fit_next_block)(sae, X, targets)
    return sae


def refit_estimator(sae, X):
    """Refit code magnitudes and directions of a fitted estimator; implements `refit_codes`.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder
        Estimator to refit in place. It does not change if refitting fails.
    X : array-like of shape (n_samples, n_features)
        Rows passed by the user.

    Returns
    -------
    SparseDictionaryAutoencoder
        The refitted estimator.
    """
    X = check_rows(sae, X, reset=False)
    check_finite_rows(X)
    scaling = RowScale.of(sae)
    weights = refit_weights(X, Weights.of(sae), resolve_device(sae.device), scaling)
    # The optimiser's state belongs to the previous directions.
    _replace(sae, weights.attributes(), ("_moments", *Weights.attribute_names()))
    return sae


def _fit_first_block(sae, X, targets):
    rows = training_rows(sae, X, targets, hold_out=False)
    schedule = BlockSchedule(len(rows), sae.batch_size)
    trainer = new_trainer(sae, start_of(sae, rows), rows, schedule)
    vars(sae).update(_fit_block(sae, trainer, rows, schedule) | row_attributes(rows))


def _fit_next_block(sae, X, targets):
    rows = block_rows(sae, X, targets)
    schedule = BlockSchedule(len(rows), sae.batch_size)
    before = {"moments": getattr(sae, "_moments", None), "n_steps": sae.n_steps_}
    trainer = new_trainer(sae, continued_start(sae, rows), rows, schedule, **before)
    attributes = _fit_block(sae, trainer, rows, schedule)
    attributes["history_"] = sae.history_ + attributes["history_"]
    attributes["n_iter_"] += sae.n_iter_
    sae.n_outlier_rows_ += rows.n_outliers
    # Weights left by another activation of earlier blocks would be used as those of this one.
    _replace(sae, attributes, ("bandwidths_", *Weights.attribute_names()))


def _fit_block(sae, trainer, rows, schedule):
    """Train on a block, and return the fitted attributes and the optimiser's state."""
    observers = [Progress()] if sae.verbose and rows.group.rank == 0 else []
    if is_steered(sae):
        observers.append(reaching(sae)(sae.target_l0))
    fit = Fit(trainer, rows, schedule, observers)
    run_together([fit])
    attributes = _fitted_attributes(sae, fit) | {"_moments": trainer.moments()}
    warn_of_outlier_rows(rows.moments, rows.has_targets)
    return attributes


def new_fit(sae, start, rows, observers=()):
    """Return a fit with the observers that the parameters of an estimator ask for.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder
        Estimator whose parameters are used.
    start : Tensors
        Initial tensors, trained in place.
    rows : ScaledRows
        Rows to train on.
    observers : iterable of Observer, default=()
        Additional observers, called after the others.

    Returns
    -------
    Fit
    """
    asked = [Progress()] if sae.verbose and rows.group.rank == 0 else []
    if is_steered(sae):
        asked.append(reaching(sae)(sae.target_l0, rows.held_out()))
    if setting(sae, "dead_features") == "resample":
        asked.append(Resampling())
    if sae.tol is not None:
        asked.append(Convergence(sae.tol))
    schedule = Schedule(len(rows), sae.batch_size, sae.max_iter)
    trainer = new_trainer(sae, start, rows, schedule)
    return Fit(trainer, rows, schedule, [*asked, *observers])


def reaching(sae):
    """Return the class of the observer that makes an estimator reach its `target_l0`."""
    return Steering if penalty_kind(sae) == "l1" else Aim


def finished_attributes(sae, fit, X):
    """Return the fitted attributes after a fit to X, with codes refitted if `debias` is True."""
    weights = weights_of(fit.trainer, fit.rows)
    if sae.debias:
        weights = refit_weights(X, weights, resolve_device(sae.device), fit.rows.scaling)
    attributes = _attributes(sae, fit, weights)
    if fit.rows.group.features.size > 1:
        # The whole dictionary may take as much memory as the optimiser's state.
        fit.trainer.release()
        del weights
        gather_features(attributes, fit.rows.group)
    return attributes


def row_attributes(rows):
    """Return the fitted attributes that depend only on the first rows of a fit."""
    ours = {"target_outlier_cutoff_": rows.target_scaling.cutoff} if rows.has_targets else {}
    if rows.blocks is not None:
        ours["blocks_"] = np.array(rows.blocks)
    return ours | {
        "outlier_cutoff_": rows.scaling.cutoff,
        "n_outlier_rows_": rows.n_outliers,
        "_error_unit": rows.target_scaling.error_unit,
        "_error_unit_inliers": rows.target_scaling.inlier_error_unit,
    }


def _fitted_attributes(sae, fit):
    """Return the fitted attributes if training stopped now."""
    return _attributes(sae, fit, weights_of(fit.trainer, fit.rows))


def _attributes(sae, fit, weights):
    """Return the fitted attributes of a fit with the given weights."""
    trainer = fit.trainer
    learned = weights.attributes() | settings_used(sae) | learned_of(trainer, fit.rows)
    return learned | {
        "alpha_": trainer.penalty.alpha,
        "firing_counts_": trainer.firing_counts.cpu().numpy().copy(),
        "history_": list(fit.history),
        "n_iter_": fit.schedule.n_iter,
        "n_steps_": trainer.n_steps,
    }
