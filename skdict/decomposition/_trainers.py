"""Trainers: where one starts, and the weights that it ends with.

Nothing else above `_core` reads or writes the tensors in training.
"""

import numpy as np
import torch

from skdict._core import (
    L1,
    NONLINEARITIES,
    Tensors,
    Trainer,
    Weights,
    calibrate_bias,
    random_tensors,
)
from skdict.decomposition._autoencoder_params import PRODUCT_DTYPES, check_memory

# Share of the rows on which a new feature fires.
FIRING_SHARE = 0.03


def nonlinearity_of(sae):
    """Return the nonlinearity that an estimator trains with."""
    return NONLINEARITIES["relu"]()


def new_start(sae, rows):
    """Return random directions, with biases calibrated or zero as `sae` says.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder
        Gives the parameters.
    rows : ScaledRows
        Rows to train on; their generator moves on.

    Returns
    -------
    Tensors
        Tensors of the rows' dtype, on their device.
    """
    width = len(rows.scaling.mean)
    n_components = 4 * width if sae.n_components is None else sae.n_components
    check_memory(sae, n_components, width, rows.dtype.itemsize)
    start = random_tensors(
        n_components,
        width,
        tied=sae.tied_weights,
        nonlinearity=nonlinearity_of(sae),
        generator=rows.generator,
        dtype=rows.dtype,
        device=rows.device,
    )
    if sae.bias_init == "calibrated":
        start.bias.copy_(calibrate_bias(start.encoder, rows.sample(), FIRING_SHARE))
    return start


def continued_start(sae, rows):
    """Return the fitted dictionary of `sae`, in the centre and scale of the rows.

    The bias absorbs a shift of the centre, so that codes stay as they are.

    Raises
    ------
    ValueError
        If the dictionary is debiased, or of another shape than `sae` now asks for.
    """
    weights = Weights.of(sae)
    _check_continuable(sae, weights, rows)
    shift = (np.asarray(rows.scaling.mean, np.float64) - weights.mean) @ weights.encoder.T
    bias = (weights.encoder_bias + shift) / rows.scaling.scale
    arrays = {"components": weights.components}
    if not sae.tied_weights:
        arrays["encoder"] = weights.encoder
    arrays["bias"] = bias
    options = {"dtype": rows.dtype, "device": rows.device}
    return Tensors({name: torch.tensor(array, **options) for name, array in arrays.items()})


def _check_continuable(sae, weights, rows):
    if weights.code_gains is not None:
        raise ValueError(
            "the dictionary was fitted with debias=True and cannot be trained further; start "
            "afresh with a clone of the estimator, or call fit with warm_start=False"
        )
    shape = (sae.n_components or len(weights.components), len(rows.scaling.mean))
    tied = weights.tied
    if shape != weights.components.shape or (sae.tied_weights and not tied):
        raise ValueError(
            f"the fitted dictionary has components_ of shape {weights.components.shape}, "
            f"{'tied' if tied else 'untied'}; n_components, width and tied_weights now ask for "
            f"{shape}, {'tied' if sae.tied_weights else 'untied'}: start afresh with a clone of "
            f"the estimator, or call fit with warm_start=False"
        )


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
    steered = sae.target_l0 is not None and moments is not None
    return Trainer(
        start,
        nonlinearity_of(sae),
        L1(sae.alpha_ if steered else sae.alpha),
        learning_rate=sae.learning_rate,
        batch_size=min(sae.batch_size, len(rows)),
        product_dtype=product_dtype,
        moments=moments,
        group=group,
    )


def weights_of(trainer, scaling):
    """Return copies of the weights of a trainer, in the units of the rows.

    Parameters
    ----------
    trainer : Trainer
        In training on rows centred and scaled.
    scaling : RowScale
        How they were.

    Returns
    -------
    Weights

    Raises
    ------
    ValueError
        If they are not finite.
    """
    tensors = trainer.tensors
    components = tensors.components.cpu().numpy().copy()
    bias = tensors.bias.cpu().numpy() * components.dtype.type(scaling.scale)
    if not (np.isfinite(components).all() and np.isfinite(bias).all()):
        raise ValueError(
            f"training diverged: components are no longer finite; lower learning_rate (it is "
            f"{trainer.learning_rate})"
        )
    frozen = trainer.model.nonlinearity.frozen(tensors)
    return Weights(
        components=components,
        encoder=tensors.encoder.cpu().numpy().copy(),
        encoder_bias=bias,
        mean=np.asarray(scaling.mean, dtype=components.dtype),
        scale=scaling.scale,
        **{name: tensor.cpu().numpy() * scaling.scale for name, tensor in frozen.items()},
    )
