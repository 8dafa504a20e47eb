"""Directories of SAELens 6: standard autoencoders."""

import json

import numpy as np
from safetensors.numpy import save

from skdict._core import Weights
from skdict._files import whole_folder
from skdict.decomposition import SparseDictionaryAutoencoder
from skdict.io._reading import read_json, read_tensors

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
# SAELens reads a file without a version of at least 6 as one of its older formats.
WRITTEN_AS = "6.0.0"


def write(dictionary, folder, metadata):
    """Write encoder and decoder as a standard autoencoder.

    Ours is u = x - mean, c = relu(u E' + b), x_hat = mean + c D; theirs u = x - b_dec,
    f = relu(u W_enc + b_enc), x_hat = b_dec + f W_dec: the same, transposed.
    """
    if not isinstance(dictionary, SparseDictionaryAutoencoder):
        raise TypeError(
            f"{type(dictionary).__name__} does not exist in SAELens; save it with format='skdict'"
        )
    if hasattr(dictionary, "code_gains_"):
        raise ValueError(
            "a dictionary fitted with debias=True cannot be written as a standard autoencoder of "
            "SAELens; save it with format='skdict', or fit it with debias=False"
        )
    weights = Weights.of(dictionary)
    config = {
        "architecture": "standard",
        "d_in": weights.components.shape[1],
        "d_sae": weights.components.shape[0],
        "dtype": weights.components.dtype.name,
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {
            "sae_lens_version": WRITTEN_AS,
            "model_name": metadata.get("model"),
            "hook_name": metadata.get("hook_point"),
        },
    }
    tensors = {
        "W_enc": weights.encoder.T,
        "b_enc": weights.encoder_bias,
        "W_dec": weights.components,
        "b_dec": weights.mean,
    }
    text = json.dumps(config, indent=1)
    with whole_folder(folder, CONFIG, "a directory of SAELens") as beside:
        content = save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
        (beside / WEIGHTS).write_bytes(content)
        (beside / CONFIG).write_text(text, encoding="utf-8")


def read(folder):
    """Return a standard autoencoder as an estimator."""
    config = read_json(folder / CONFIG)
    _check_config(folder, config)
    tensors = read_tensors(folder / WEIGHTS)
    d, m = config.get("d_in"), config.get("d_sae")
    shapes = {"W_enc": (d, m), "b_enc": (m,), "W_dec": (m, d), "b_dec": (d,)}
    for name, shape in shapes.items():
        found = tensors[name].shape if name in tensors else None
        if found != shape:
            raise ValueError(
                f"{str(folder / WEIGHTS)!r} holds {name} of shape {found}; its {CONFIG} asks for "
                f"{shape}"
            )
    source = config.get("metadata") or {}
    return _as_estimator(
        tensors,
        centred=config.get("apply_b_dec_to_input", True),
        metadata={"model": source.get("model_name"), "hook_point": source.get("hook_name")},
    )


def _check_config(folder, config):
    accepted = {
        "architecture": ("standard",),
        "normalize_activations": ("none", None),
        "reshape_activations": ("none", None),
    }
    for name, values in accepted.items():
        if config.get(name) not in values:
            raise ValueError(
                f"{str(folder)!r} has {name}={config.get(name)!r}; only {values[0]!r} has a "
                f"counterpart here"
            )
    if not isinstance(config.get("metadata"), dict):
        raise ValueError(
            f"{str(folder)!r} was written by SAELens before version 6; load and save it once with "
            f"SAELens 6"
        )


def _as_estimator(tensors, *, centred, metadata):
    """Return the estimator whose reconstructions are those of the tensors."""
    dtype = np.float64 if tensors["W_dec"].dtype == np.float64 else np.float32
    # Folding is exact in float64 and rounded once.
    wide = {name: array.astype(np.float64) for name, array in tensors.items()}
    lengths = np.linalg.norm(wide["W_dec"], axis=1)
    lengths[lengths == 0] = 1
    encoder = wide["W_enc"].T
    bias = wide["b_enc"] if centred else wide["b_enc"] + encoder @ wide["b_dec"]
    sae = SparseDictionaryAutoencoder(len(encoder), tied_weights=False)
    weights = Weights(
        components=(wide["W_dec"] / lengths[:, None]).astype(dtype),
        encoder=(encoder * lengths[:, None]).astype(dtype),
        encoder_bias=(bias * lengths).astype(dtype),
        mean=wide["b_dec"].astype(dtype),
        scale=1.0,
    )
    vars(sae).update(weights.attributes())
    sae._error_unit = sae._error_unit_inliers = 1.0
    sae.outlier_cutoff_, sae.n_outlier_rows_ = float("inf"), 0
    sae.firing_counts_ = np.zeros(len(encoder), dtype=np.int64)
    sae.history_, sae.n_iter_, sae.n_steps_ = [], 0, 0
    sae.n_features_in_, sae.metadata_ = encoder.shape[1], metadata
    return sae
