"""Trainers: how one is made from parameters, and the weights that it ends with."""

import numpy as np
import torch

from skdict._core import Trainer, Weights
from skdict.decomposition._activation import (
    check_batches,
    is_steered,
    nonlinearity_of,
    penalty_of,
)
from skdict.decomposition._autoencoder_params import PRODUCT_DTYPES
from skdict.decomposition._dead_features import silent_steps
from skdict.decomposition._defaults import setting
from skdict.decomposition._levels import levels_of


def new_trainer(sae, start, rows, schedule, *, moments=None, n_steps=0, group=None):
    """Return a trainer of the start, with Adam's `moments` of an earlier block if given.

    The schedule says how many steps an epoch has; `n_steps` were taken before. A `group` of
    processes shares each batch.

    Raises
    ------
    ValueError
        If the moments are of other tensors than the start; if a batch would have no code; if
        float64 rows would be rounded to bfloat16.
    """
    if moments is not None and set(moments["first"]) != set(start.trained):
        raise ValueError(
            f"tied_weights={sae.tied_weights} or activation={sae.activation!r} is not what earlier "
            f"blocks were fitted with; start afresh with a clone of the estimator"
        )
    product_dtype = PRODUCT_DTYPES[sae.precision] or rows.dtype
    if product_dtype != rows.dtype and rows.dtype == torch.float64:
        raise ValueError(
            "precision='bfloat16' would round float64 rows to 8 bits; pass float32 rows or "
            "precision='auto'"
        )
    check_batches(sae, len(rows))
    has_auxk = setting(sae, "dead_features") == "auxk"
    alpha = setting(sae, "alpha")
    if is_steered(sae) and moments is not None:
        alpha = sae.alpha_ or alpha
    return Trainer(
        start,
        nonlinearity_of(sae, len(start.bias)),
        penalty_of(sae, alpha),
        learning_rate=setting(sae, "learning_rate"),
        batch_size=min(sae.batch_size, len(rows)),
        product_dtype=product_dtype,
        levels=levels_of(sae, len(start.bias)),
        moments=moments,
        group=group,
        n_steps=n_steps,
        silent_steps=silent_steps(schedule) if has_auxk else None,
    )


def weights_of(trainer, rows):
    """Return copies of the weights of a trainer, in the units of the rows.

    Parameters
    ----------
    trainer : Trainer
        Trained.
    rows : ScaledRows
        What it was trained on.

    Returns
    -------
    Weights

    Raises
    ------
    ValueError
        If they are not finite.
    """
    tensors, scaling = trainer.tensors, rows.scaling
    _check_converged(trainer)
    components = tensors.components.cpu().numpy().copy()
    bias = tensors.bias.cpu().numpy() * components.dtype.type(scaling.scale)
    frozen = trainer.frozen(rows.calibration())
    for name in frozen.keys() & {"thresholds", "code_offsets", "code_gains"}:
        unit = 1 if name == "code_gains" else scaling.scale
        frozen[name] = frozen[name].cpu().numpy() * components.dtype.type(unit)
    return Weights(
        components=components,
        encoder=tensors.encoder.cpu().numpy().copy(),
        encoder_bias=bias,
        mean=np.asarray(scaling.mean, dtype=components.dtype),
        scale=scaling.scale,
        **frozen,
    )


def _check_converged(trainer):
    """Refuse tensors that are not finite, or so large that their products are not."""
    bound = torch.finfo(trainer.tensors.bias.dtype).max ** 0.5
    for name in trainer.tensors.trained:
        # Not a number is not below the bound either.
        if not float(trainer.tensors[name].abs().max()) < bound:
            raise ValueError(
                f"training diverged: {name} is no longer finite, or overflows in products; lower "
                f"learning_rate (it is {trainer.learning_rate})"
            )


def learned_of(trainer, rows):
    """Return copies of what the nonlinearity has learned, as fitted attributes in units of rows."""
    names = trainer.model.nonlinearity.learned(0)
    arrays = {f"{name}_": trainer.tensors[name].cpu().numpy() for name in names}
    return {name: array * array.dtype.type(rows.scaling.scale) for name, array in arrays.items()}
