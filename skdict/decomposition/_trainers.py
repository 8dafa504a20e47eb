"""Trainers: how one is made from parameters, and the weights that it ends with."""

import numpy as np
import torch

from skdict._core import L1, Trainer, Weights
from skdict.decomposition._activation import is_penalised, is_steered, nonlinearity_of
from skdict.decomposition._autoencoder_params import PRODUCT_DTYPES
from skdict.decomposition._levels import levels_of


def new_trainer(sae, start, rows, moments=None, group=None):
    """Return a trainer of the start, with Adam's `moments` of an earlier block if given.

    A `group` of processes shares each batch.

    Raises
    ------
    ValueError
        If the moments are of a tied dictionary and the start is not, or the other way round;
        if float64 rows would be rounded to bfloat16.
    """
    if moments is not None and set(moments["first"]) != set(start):
        raise ValueError(
            f"tied_weights={sae.tied_weights} is not what earlier blocks were fitted with; start "
            f"afresh with a clone of the estimator"
        )
    product_dtype = PRODUCT_DTYPES[sae.precision] or rows.dtype
    if product_dtype != rows.dtype and rows.dtype == torch.float64:
        raise ValueError(
            "precision='bfloat16' would round float64 rows to 8 bits; pass float32 rows or "
            "precision='auto'"
        )
    alpha = sae.alpha_ if is_steered(sae) and moments is not None else sae.alpha
    return Trainer(
        start,
        nonlinearity_of(sae, len(start.bias)),
        L1(alpha if is_penalised(sae) else 0.0),
        learning_rate=sae.learning_rate,
        batch_size=min(sae.batch_size, len(rows)),
        product_dtype=product_dtype,
        levels=levels_of(sae, len(start.bias)),
        moments=moments,
        group=group,
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
    components = tensors.components.cpu().numpy().copy()
    bias = tensors.bias.cpu().numpy() * components.dtype.type(scaling.scale)
    if not (np.isfinite(components).all() and np.isfinite(bias).all()):
        raise ValueError(
            f"training diverged: components are no longer finite; lower learning_rate (it is "
            f"{trainer.learning_rate})"
        )
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
