"""Read a SAELens directory as a fitted estimator."""

import numpy as np

from skdict._core import Weights
from skdict._files import read_json, read_tensors
from skdict.decomposition import SparseDictionaryAutoencoder
from skdict.io.formats.saelens._names import (
    CONFIG,
    DIGEST,
    RANKS_BY_NORM,
    RESHAPES,
    SUBTRACTS_B_DEC,
    WEIGHTS,
    digest,
    tensor_shapes,
)
from skdict.models import from_transformer_lens

ACCEPTED = {
    "architecture": ("standard", "topk", "jumprelu"),
    "normalize_activations": ("none", None),
    # Rows of attn_heads are the flattened heads that "hook_z" makes.
    RESHAPES: ("none", "hook_z", None),
}
METADATA = {"model_name": (str,), "hook_name": (str,), "l0": (int, float)}
# Decoder rows whose norms are this close to 1 count as rounded unit vectors.
ROUNDING = 1e-6
# Architectures that SAELens uses in training only.
TRAINED_ONLY = ("batchtopk", "matryoshka_batchtopk")


def matches(folder):
    """Return True if a folder is a SAELens directory."""
    return (folder / CONFIG).is_file()


def read(folder):
    """Return an estimator with the codes and reconstructions of a SAELens directory.

    Codes are in units of the rows: SAELens codes times the norms of the decoder rows. With topk and
    `rescale_acts_by_decoder_norm`, SAELens codes already have these units and are unchanged.

    Parameters
    ----------
    folder : pathlib.Path
        SAELens directory.

    Returns
    -------
    SparseDictionaryAutoencoder
        Fitted dictionary with `metadata_`. TransformerLens names of hook points are translated,
        such as "blocks.2.hook_resid_post" to "resid_post.2"; others are kept.

    Raises
    ------
    ValueError
        If an architecture or normalisation is not supported, or files are damaged.
    """
    config = read_json(folder / CONFIG)
    _check_config(folder, config)
    _check_metadata(folder, config["metadata"])
    tensors = _checked_tensors(folder, config)
    if config["architecture"] == "topk":
        _check_k(folder, config)
    return _as_estimator(_as_weights(tensors, config), _metadata(config["metadata"]))


def _metadata(source):
    """Return the model, the hook point under the name it has here, and the reported L0."""
    name = source.get("hook_name")
    hook_point = name and (from_transformer_lens(name) or name)
    metadata = {"model": source.get("model_name"), "hook_point": hook_point}
    return metadata | ({"l0": source["l0"]} if "l0" in source else {})


def _check_config(folder, config):
    if config.get("architecture") in TRAINED_ONLY:
        raise ValueError(
            f"{str(folder / CONFIG)!r} has architecture={config['architecture']!r}, which SAELens "
            f"uses in training only; its inference form is a JumpReLU: save that with SAELens' "
            f"save_inference_model(path), which writes architecture='jumprelu'"
        )
    for name, values in ACCEPTED.items():
        if config.get(name) not in values:
            told = ", ".join(repr(value) for value in values if value is not None)
            raise ValueError(
                f"{str(folder / CONFIG)!r} has {name}={config.get(name)!r}, which is not "
                f"supported; accepted: {told}"
            )
    for name in (SUBTRACTS_B_DEC, RANKS_BY_NORM):
        if not isinstance(config.get(name, True), bool):
            raise ValueError(
                f"{str(folder / CONFIG)!r} has {name}={config[name]!r}; set it to true or false, "
                f"as in training"
            )
    if not isinstance(config.get("metadata"), dict):
        raise ValueError(
            f"{str(folder)!r} was written by a SAELens before version 6; load it and save it again "
            f"with SAELens 6"
        )


def _check_metadata(folder, metadata):
    for name, kinds in METADATA.items():
        if type(metadata.get(name)) not in (*kinds, type(None)):
            raise ValueError(
                f"{str(folder / CONFIG)!r} has {name}={metadata[name]!r:.80} in its metadata; set "
                f"it to a {kinds[-1].__name__} or null"
            )


def _check_k(folder, config):
    k, most = config.get("k"), config["d_sae"]
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= most:
        raise ValueError(
            f"{str(folder / CONFIG)!r} has k={k!r}; set it to the number of features kept per row, "
            f"a whole number from 1 to {most}"
        )


def _checked_tensors(folder, config):
    """Return the checked tensors of the architecture; log thresholds become thresholds."""
    file = _read_weights(folder, config)
    # Convert half precision to float32, so that results are not rounded to half again.
    tensors = {
        name: array.astype(np.float32) if array.dtype == np.float16 else array
        for name, array in file.arrays.items()
    }
    if "threshold" not in tensors and "log_threshold" in tensors:
        with np.errstate(over="ignore"):
            tensors["threshold"] = np.exp(tensors.pop("log_threshold").astype(np.float64))
    due = tensor_shapes(config["architecture"], config.get("d_in"), config.get("d_sae"))
    for name, shape in due.items():
        found = tensors[name].shape if name in tensors else None
        if found != shape:
            raise ValueError(
                f"{str(folder / WEIGHTS)!r} has {name} of shape {found} but its {CONFIG} requires "
                f"{shape}; get a complete copy of the folder"
            )
        if tensors[name].dtype.kind != "f":
            raise ValueError(
                f"{str(folder / WEIGHTS)!r} has {name} of dtype {tensors[name].dtype}; get a copy "
                f"with floating-point weights"
            )
        if not np.isfinite(tensors[name]).all():
            raise ValueError(
                f"{str(folder / WEIGHTS)!r} has NaN or infinity in {name}; get an intact copy of "
                f"the file, or an earlier checkpoint"
            )
    return {name: tensors[name] for name in due}


def _read_weights(folder, config):
    try:
        file = read_tensors(folder / WEIGHTS)
    except FileNotFoundError as error:
        raise ValueError(
            f"{str(folder / WEIGHTS)!r} cannot be read as safetensors: it is missing next to "
            f"{CONFIG}; get a complete copy of the folder"
        ) from error
    if DIGEST in config and config[DIGEST] != digest(config, file.sha256):
        raise ValueError(
            f"{str(folder)!r} was changed after skdict wrote it; restore the original or, if the "
            f"change is intended, remove {DIGEST!r} from {CONFIG}"
        )
    return file


def _as_weights(tensors, config):
    """Return weights with the same reconstructions as the tensors."""
    dtype = np.float64 if tensors["W_dec"].dtype == np.float64 else np.float32
    # Fold in float64 and round once.
    wide = {name: array.astype(np.float64) for name, array in tensors.items()}
    norms = np.linalg.norm(wide["W_dec"], axis=1)
    norms[np.abs(norms - 1) < ROUNDING] = 1
    lengths = np.where(norms == 0, 1, norms)
    encoder, bias = wide["W_enc"].T, wide["b_enc"]
    if not config.get(SUBTRACTS_B_DEC, True):
        bias = bias + encoder @ wide["b_dec"]
    factors, form, k = lengths, {}, None
    if config["architecture"] == "jumprelu":
        # A ReLU precedes the threshold, so a negative threshold acts as zero.
        form["thresholds"] = np.maximum(wide["threshold"], 0) * lengths
    elif config["architecture"] == "topk":
        k = config["k"]
        if config.get(RANKS_BY_NORM, False):
            # A feature with a zero decoder row must not outrank others.
            factors = norms
        else:
            factors = np.ones_like(lengths)
            form |= {"code_gains": lengths} if (lengths != 1).any() else {}
    form |= {
        "components": wide["W_dec"] / lengths[:, None],
        "encoder": encoder * factors[:, None],
        "encoder_bias": bias * factors,
        "mean": wide["b_dec"],
    }
    rounded = {name: array.astype(dtype, order="C") for name, array in form.items()}
    return Weights(**rounded, scale=1.0, k=k)


def _as_estimator(weights, metadata):
    m, d = weights.components.shape
    sae = SparseDictionaryAutoencoder(m, tied_weights=False, **_activation(weights))
    vars(sae).update(weights.attributes())
    sae._error_unit = sae._error_unit_inliers = 1.0
    sae.outlier_cutoff_, sae.n_outlier_rows_ = float("inf"), 0
    sae.firing_counts_ = np.zeros(m, dtype=np.int64)
    sae.history_, sae.n_iter_, sae.n_steps_ = [], 0, 0
    sae.n_features_in_, sae.metadata_ = d, metadata
    return sae


def _activation(weights):
    """Return the parameters that determine how codes follow from pre-activations."""
    if weights.k is not None:
        return {"activation": "topk", "target_l0": weights.k}
    if weights.thresholds is not None:
        equal = np.ptp(weights.thresholds) == 0
        return {"activation": "batch_topk" if equal else "jumprelu"}
    return {}
