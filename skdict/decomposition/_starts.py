"""Initial tensors of training: random, from given directions or from a fitted dictionary."""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from skdict._core import (
    Tensors,
    Weights,
    calibrate_bias,
    calibrate_decoder,
    draw_encoder,
    random_tensors,
    with_skip,
)
from skdict._validation import as_host_array
from skdict.decomposition._activation import nonlinearity_of
from skdict.decomposition._autoencoder_params import check_memory
from skdict.decomposition._column_blocks import BlockScale, is_rounding, with_even_columns
from skdict.decomposition._defaults import setting

# Share of the rows on which a new feature fires.
FIRING_SHARE = 0.03


class Source(NamedTuple):
    """Origin of the initial tensors, as named in messages, and the remedy if it is unsuitable."""

    name: str
    remedy: str


SOURCES = {
    "warm_start": Source(
        "the fitted dictionary",
        "start afresh with a clone of the estimator, or call fit with warm_start=False",
    ),
    "dict_init": Source("dict_init", "pass another dictionary or other parameters"),
}


def start_of(sae, rows):
    """Return the initial tensors of a fit.

    With `warm_start`, they come from the fitted dictionary, if there is one; otherwise from
    `dict_init`, if it is given; otherwise they are random.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder or SparseTranscoder
        Estimator whose parameters are used.
    rows : ScaledRows
        Rows to train on. Drawing directions or biases advances their generator.

    Returns
    -------
    Tensors
        Tensors with the dtype and device of the rows.
    """
    if sae.warm_start and hasattr(sae, "components_"):
        return continued_start(sae, rows)
    if hasattr(sae.dict_init, "get_params"):
        _check_has_weights(sae.dict_init, rows)
        return _start_from(sae.dict_init, sae, rows, SOURCES["dict_init"])
    return _new_start(sae, rows)


def continued_start(sae, rows):
    """Return the tensors of the fitted `sae`, in the centre and scale of the rows."""
    return _start_from(sae, sae, rows, SOURCES["warm_start"])


def _new_start(sae, rows):
    """Return tensors with random or given directions and the biases that `bias_init` asks for.

    Those of a transcoder are estimated from a sample of the rows and of their targets.
    """
    width, given = len(rows.scaling.mean), as_host_array(sae.dict_init)
    n_components = sae.n_components or (4 * width if given is None else len(given))
    check_memory(sae, n_components, rows)
    nonlinearity = nonlinearity_of(sae, n_components)
    start = random_tensors(
        n_components,
        width,
        tied=setting(sae, "tied_weights"),
        nonlinearity=nonlinearity,
        generator=rows.generator,
        dtype=rows.dtype,
        device=rows.device,
        target_width=len(rows.target_scaling.mean) if rows.has_targets else None,
        features=rows.group.features,
    )
    if given is not None:
        directions = torch.from_numpy(_unit_rows(given, (n_components, width)))
        directions = rows.group.features.part(directions)
        start.components.copy_(directions)
        start.encoder.copy_(directions)
    is_calibrated = setting(sae, "bias_init") == "calibrated"
    learns = bool(nonlinearity.learned(1))
    return _calibrated(start, sae, rows) if is_calibrated or learns or rows.has_targets else start


def _calibrated(start, sae, rows):
    """Return tensors with what is estimated from a sample of the rows and of their targets."""
    sample, target = rows.sample()
    features = rows.group.features
    if rows.has_targets:
        draw_encoder(start, sample, rows.generator, features)
    if setting(sae, "bias_init") == "calibrated":
        start.bias.copy_(calibrate_bias(start.encoder, sample, FIRING_SHARE))
    if rows.has_targets:
        start = with_skip(start, sample, target) if sae.skip_connection else start
        calibrate_decoder(start, sample, target, features)
    nonlinearity_of(sae, len(start.bias)).calibrate(start, sample)
    return start


def _unit_rows(given, shape):
    """Return directions scaled to unit length, after checking them."""
    directions = np.asarray(given, dtype=np.float64)
    lengths = np.linalg.norm(directions, axis=-1, keepdims=True)
    if directions.shape != shape or not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError(
            f"dict_init has shape {directions.shape}; pass {shape[0]} directions of width "
            f"{shape[1]}, finite and not zero, or a fitted dictionary"
        )
    return directions / lengths


def _check_has_weights(dictionary, rows):
    check_is_fitted(dictionary)
    accepted = "SparseDictionaryAutoencoder, or directions such as those of dictionary_atoms"
    if rows.has_targets:
        accepted = "SparseTranscoder"
    given = f"dict_init={type(dictionary).__name__}(...)"
    try:
        weights = Weights.of(dictionary)
    except AttributeError as error:
        raise TypeError(f"{given} has no {error.name}: pass a fitted {accepted}") from error
    if rows.has_targets and hasattr(dictionary, "blocks_"):
        raise TypeError(f"{given} is one block of a dictionary: pass a fitted {accepted}")
    if rows.has_targets != (weights.target_mean is not None):
        what = "does not predict targets" if rows.has_targets else "is a transcoder"
        raise TypeError(f"{given} {what}: pass a fitted {accepted}")
    if hasattr(dictionary, "row_norm_"):
        raise ValueError(
            f"{given} normalises each row ({dictionary.row_norm_}), which no activation here does; "
            f"pass a fitted {accepted}"
        )


def _start_from(fitted, sae, rows, source):
    """Return a fitted dictionary in the centre and scale of the rows and of their targets.

    The bias absorbs a shift of the centre, so that codes do not change. Gains are folded into the
    encoder. A skip connection that the fitted transcoder lacks starts from zero.

    Raises
    ------
    ValueError
        If the dictionary has another shape than `sae` asks for, or codes of a form that the
        activation of `sae` cannot train.
    """
    weights = Weights.of(fitted)
    _check_shape(weights, sae, rows, source)
    weights, shift = _on_scale_of(weights, rows.scaling)
    encoder, bias = _without_gains(weights, sae, source)
    tied = setting(sae, "tied_weights")
    if tied and not _is_tied(encoder, weights.components, rows):
        raise ValueError(
            f"{source.name} has an encoder that is not the transpose of its decoder; pass "
            f"tied_weights=False"
        )
    part, unit = rows.group.features.part, rows.target_scaling.unit
    arrays = {"components": part(weights.components)}
    if not tied:
        arrays["encoder"] = part(encoder) * (rows.scaling.unit / unit)
    arrays["bias"] = part((bias + shift @ encoder.T) / unit)
    if rows.has_targets and sae.skip_connection:
        shape = encoder.shape[1], weights.components.shape[1]
        skip = np.zeros(shape) if weights.skip is None else weights.skip
        arrays["skip"] = skip * (rows.scaling.unit / unit)
    options = {"dtype": rows.dtype, "device": rows.device}
    start = Tensors({name: torch.tensor(array, **options) for name, array in arrays.items()})
    return _with_learned(start, fitted, weights.code_gains, sae, rows)


def _on_scale_of(weights, scaling):
    """Return weights for rows with one scale for all columns, and the shift of their centre."""
    shift = np.asarray(scaling.mean, np.float64) - weights.mean
    if not isinstance(scaling, BlockScale):
        return weights, shift
    return with_even_columns(weights, scaling), shift * (scaling.unit / scaling.columns)


def _is_tied(encoder, components, rows):
    """Return True if the encoder equals the decoder, to rounding where blocks were rescaled."""
    if isinstance(rows.scaling, BlockScale):
        return is_rounding(encoder - components, 1, torch.finfo(rows.dtype).eps)
    return np.array_equal(encoder, components)


def _with_learned(start, fitted, gains, sae, rows):
    """Return the tensors with those of the nonlinearity, as fitted or newly calibrated.

    Gains that were folded into the encoder also scale values in units of pre-activations.
    """
    nonlinearity = nonlinearity_of(sae, len(start.bias))
    learned = {name: t.to(start.bias) for name, t in nonlinearity.learned(len(start.bias)).items()}
    if not learned:
        return start
    calibrated = Tensors({**start, "bias": start.bias.clone(), **learned})
    nonlinearity.calibrate(calibrated, rows.sample()[0])
    gains = 1 if gains is None else gains
    for name in learned:
        known = getattr(fitted, f"{name}_", None)
        if known is not None:
            known = torch.tensor(rows.group.features.part(known * gains)).to(start.bias)
            learned[name] = known / rows.target_scaling.unit
        elif name == "thresholds":
            # A dictionary without thresholds keeps its codes only if thresholds start at zero.
            learned[name] = torch.zeros_like(start.bias)
        else:
            learned[name] = calibrated[name]
    return Tensors({**start, **learned})


def _check_shape(weights, sae, rows, source):
    sides = {"components_": (weights.components, rows.target_scaling, "rows")}
    if rows.has_targets:
        sides["components_"] = (weights.components, rows.target_scaling, "targets")
        sides["encoder_"] = (weights.encoder, rows.scaling, "rows")
    for name, (array, scaling, side) in sides.items():
        due = (sae.n_components or len(array), len(scaling.mean))
        if due != array.shape:
            raise ValueError(
                f"{source.name} has {name} of shape {array.shape}, but n_components and the width "
                f"of the {side} require {due}; {source.remedy}"
            )
    if weights.skip is not None and not sae.skip_connection:
        raise ValueError(
            f"{source.name} has a skip connection; pass skip_connection=True, or {source.remedy}"
        )
    check_memory(sae, len(weights.components), rows)


def _without_gains(weights, sae, source):
    """Return encoder and bias with gains folded in; reject codes that cannot be trained."""
    thresholds = np.zeros(1) if weights.thresholds is None else weights.thresholds
    gains = np.ones(1) if weights.code_gains is None else weights.code_gains
    name = sae.activation if isinstance(sae.activation, str) else None
    if weights.code_offsets is not None and weights.code_offsets.any():
        held = "codes with offsets, as fitted by debias=True or refit_codes"
    elif weights.k is not None and np.ptp(gains) > 0:
        held = "gains that differ between features, after a selection of the k largest"
    elif name in ("relu", "jumprelu") and weights.k is not None:
        held = "a selection of the k largest"
    elif name == "relu" and thresholds.any():
        held = "thresholds"
    elif name is not None and weights.signed:
        held = "codes of both signs"
    elif name in ("topk", "batch_topk") and np.ptp(thresholds * gains) > 0:
        held = "thresholds that differ between features"
    else:
        encoder = weights.encoder * gains[:, None] if len(gains) > 1 else weights.encoder
        return encoder, weights.encoder_bias * gains
    raise ValueError(
        f"{source.name} has {held}, which activation={sae.activation!r} cannot train; "
        f"{source.remedy}"
    )
