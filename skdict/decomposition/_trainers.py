"""Make a trainer from the parameters of an estimator, and read the trained weights."""

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
from skdict.decomposition._column_blocks import BlockScale, without_even_columns
from skdict.decomposition._dead_features import silent_steps
from skdict.decomposition._defaults import setting
from skdict.decomposition._levels import levels_of


def new_trainer(sae, start, rows, schedule, *, moments=None, n_steps=0):
    """Return a trainer for the tensors `start`.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder
        Estimator whose parameters are used.
    start : Tensors
        Initial tensors, trained in place; of a dictionary shared by a group, those of this process.
    rows : ScaledRows
        Rows to train on.
    schedule : Schedule
        Schedule that determines the number of steps per epoch.
    moments : dict, optional
        State of Adam after an earlier block.
    n_steps : int, default=0
        Number of steps taken before.

    Returns
    -------
    Trainer

    Raises
    ------
    ValueError
        If `moments` belong to other tensors than `start`; if a batch would have no active code;
        if float64 rows would be rounded to bfloat16.
    """
    if moments is not None and set(moments["first"]) != set(start.trained):
        raise ValueError(
            f"{_shaping(sae)} differs from the value used for earlier blocks; restore it, or "
            f"start afresh with a clone of the estimator"
        )
    check_batches(sae, len(rows), rows.group.rows.size)
    features = rows.group.features
    n_components = features.total(len(start.bias))
    levels = levels_of(sae, n_components)
    batch_size = min(sae.batch_size, len(rows))
    has_auxk = setting(sae, "dead_features") == "auxk"
    alpha = setting(sae, "alpha")
    if is_steered(sae) and moments is not None:
        alpha = sae.alpha_ or alpha
    return Trainer(
        start,
        nonlinearity_of(sae, n_components),
        penalty_of(sae, alpha),
        learning_rate=setting(sae, "learning_rate"),
        batch_size=-(-batch_size // rows.group.rows.size),
        product_dtype=_product_dtype(sae, rows),
        levels=None if levels is None else levels.of_span(*features.span(n_components)),
        moments=moments,
        group=rows.group,
        n_steps=n_steps,
        silent_steps=silent_steps(schedule) if has_auxk else None,
    )


def _product_dtype(sae, rows):
    """Return the dtype that matrices are rounded to inside products."""
    product_dtype = PRODUCT_DTYPES[sae.precision] or rows.dtype
    if product_dtype != rows.dtype and rows.dtype == torch.float64:
        raise ValueError(
            "precision='bfloat16' would round float64 rows to 8 significant bits; pass float32 "
            "rows or precision='auto'"
        )
    return product_dtype


def weights_of(trainer, rows):
    """Return a copy of the trained weights, in the units of the rows; see `Weights`.

    Parameters
    ----------
    trainer : Trainer
        Trainer after its last step.
    rows : ScaledRows
        Rows that it was trained on.

    Returns
    -------
    Weights

    Raises
    ------
    ValueError
        If a weight is not finite, or so large that products overflow.
    """
    _check_converged(trainer)
    tensors, scaling, unit = trainer.tensors, rows.scaling, rows.target_scaling.unit
    ours, dtype = {}, np.dtype(str(rows.dtype).removeprefix("torch.")).type

    def array(name, factor):
        return tensors[name].cpu().numpy() * dtype(factor)

    frozen = trainer.frozen(rows.calibration())
    for name in frozen.keys() & {"thresholds", "code_offsets", "code_gains"}:
        factor = 1 if name == "code_gains" else unit
        frozen[name] = frozen[name].cpu().numpy() * dtype(factor)
    if rows.has_targets:
        ours = {"target_mean": rows.target_scaling.mean.astype(dtype), "target_scale": unit}
    if "skip" in tensors:
        ours["skip"] = array("skip", unit / scaling.unit)
    weights = Weights(
        components=tensors.components.cpu().numpy().copy(),
        encoder=array("encoder", unit / scaling.unit),
        encoder_bias=array("bias", unit),
        mean=np.asarray(scaling.mean, dtype=dtype),
        scale=scaling.scale,
        **ours,
        **frozen,
    )
    return without_even_columns(weights, scaling) if isinstance(scaling, BlockScale) else weights


def _shaping(sae):
    """Return the parameters that decide which tensors are trained, with their values."""
    params = sae.get_params(deep=False)
    names = [n for n in ("tied_weights", "skip_connection", "activation") if n in params]
    return " or ".join(f"{name}={params[name]!r}" for name in names)


def _check_converged(trainer):
    """Raise ValueError if a tensor is not finite, or so large that its products overflow."""
    bound = torch.finfo(trainer.tensors.bias.dtype).max ** 0.5
    for name in trainer.tensors.trained:
        # NaN is not below the bound either.
        if not float(trainer.tensors[name].abs().max()) < bound:
            raise ValueError(
                f"training diverged: {name} is no longer finite, or overflows in products; lower "
                f"learning_rate (currently {trainer.learning_rate})"
            )


def learned_of(trainer, rows):
    """Return the learned tensors of the nonlinearity as fitted attributes, in units of codes."""
    names = trainer.model.nonlinearity.learned(0)
    arrays = {f"{name}_": trainer.tensors[name].cpu().numpy() for name in names}
    unit = rows.target_scaling.unit
    return {name: array * array.dtype.type(unit) for name, array in arrays.items()}
