"""Read Llamascopium and Llama Scope R1: ``config.json`` with ``sae_weights.safetensors``."""

import warnings

import numpy as np

from skdict.io.formats._layout import ADVICE, check_k, positive, scalar, setting, take, text_of
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published
from skdict.io.formats._source import TensorSet

CONFIG = "config.json"
WEIGHTS = (
    "sae_weights.safetensors",
    "sae_weights.pt",
    "checkpoints/pruned.safetensors",
    "checkpoints/pruned.pt",
    "checkpoints/final.safetensors",
    "checkpoints/final.pt",
)
FILES = f"{CONFIG} with {WEIGHTS[0]} (Llamascopium, Llama Scope R1)"
LAYOUT = {"W_E": "dn", "b_E": "n", "W_D": "nd", "b_D": "d"}
# Tensors of Llama Scope R1, whose matrices are transposed.
OLDER = {
    "encoder.weight": "W_E",
    "encoder.bias": "b_E",
    "decoder.weight": "W_D",
    "decoder.bias": "b_D",
}
THRESHOLDS = ("activation_function.log_jumprelu_threshold", "log_jumprelu_threshold")
NORM = "dataset_average_activation_norm."
OTHER_TYPES = {
    "crosscoder": "its features read and write several hook points",
    "clt": "it is a cross-layer transcoder, whose features write to several layers",
    "lorsa": "it replaces attention, so that its codes depend on other tokens",
    "molt": "its features are linear maps and not directions",
}
OTHER_FUNCTIONS = {"batchtopk": "it selects codes in a batch and has no threshold for single rows"}


def matches(source):
    """Return True if a source has a configuration next to weights of this format."""
    return CONFIG in source and any(name in source for name in WEIGHTS)


def read(source):
    """Return the dictionary or transcoder in a directory.

    Parameters
    ----------
    source : Source
        Directory with the configuration.

    Returns
    -------
    PretrainedDictionary or PretrainedTranscoder

    Raises
    ------
    ValueError
        If the type, a setting or a normalisation is not supported, or files are damaged.
    """
    path, config = source.path(CONFIG), source.json(CONFIG)
    tensors = _weights(source.tensors(next(name for name in WEIGHTS if name in source)))
    _check_type(config, tensors, path)
    names = [text_of(config, f"hook_point_{side}") for side in ("in", "out")]
    transcodes = names[1] is not None and names[0] != names[1]
    found = _taken(config, tensors, path)
    published = Published(
        found["W_E"].T,
        found["b_E"],
        found["W_D"],
        found["b_D"],
        subtracts_bias=_subtracts(config, transcodes, path),
        ranks_by_norm=setting(config, "sparsity_include_decoder_norm", bool, path, default=True),
        is_transcoder=transcodes,
        **_gate(config, tensors, found, path),
        **_scales(config, tensors, names, transcodes, path),
    )
    metadata = described(
        "llamascopium",
        tensors,
        architecture=config.get("act_fn", "relu"),
        model=_model(source),
        hook_point=names[0],
        target_hook_point=names[1] if transcodes else None,
        l0=published.k,
    )
    return published.fitted(metadata)


def _weights(tensors):
    """Return the tensors under the names of Llamascopium."""
    arrays, dtypes = (
        {name.removeprefix("sae."): value for name, value in values.items()}
        for values in (tensors.arrays, tensors.dtypes)
    )
    for older, name in OLDER.items():
        if older in arrays:
            arrays[name] = arrays[older].T
    return TensorSet(tensors.path, arrays, tensors.plain, dtypes)


def _taken(config, tensors, path):
    """Return the checked matrices and biases; a missing decoder bias is zero."""
    has_bias = setting(config, "use_decoder_bias", bool, path, default=True)
    # Rows and targets have the same width.
    sizes = {"d": setting(config, "d_model", int, path)}
    optional = () if has_bias else ("b_D",)
    found = take(tensors, LAYOUT, optional=optional, sizes=sizes, required_by=f"its {CONFIG}")
    if not has_bias:
        found["b_D"] = np.zeros(sizes["d"], found["W_D"].dtype)
    return found


def _check_type(config, tensors, path):
    kind = config.get("sae_type", "sae")
    several = [name for name in tensors.arrays if name.startswith("W_D.")]
    if kind == "sae" and several:
        kind = "clt"
    if kind == "sae" and getattr(tensors.arrays.get("W_E"), "ndim", 2) == 3:
        kind = "crosscoder"
    if kind != "sae":
        reason = OTHER_TYPES.get(str(kind), "accepted: 'sae'")
        raise ValueError(
            f"{str(path)!r} has sae_type={kind!r:.80}, which is not supported: {reason}"
        )
    if config.get("use_glu_encoder") or "W_E_glu" in tensors.arrays:
        raise ValueError(
            f"{str(path)!r} multiplies pre-activations by a second, gated encoder (GLU), which has "
            f"no form here"
        )


def _subtracts(config, transcodes, path):
    subtracts = setting(config, "apply_decoder_bias_to_pre_encoder", bool, path, default=False)
    if subtracts and transcodes:
        raise ValueError(
            f"{str(path)!r} subtracts the bias of the targets from the rows, which is not "
            f"supported; {ADVICE}"
        )
    return subtracts


def _gate(config, tensors, found, path):
    """Return thresholds or k of the activation function."""
    function = str(config.get("act_fn", "relu")).lower()
    n = len(found["b_E"])
    if function == "relu":
        return {}
    if function == "topk":
        return {"k": check_k(config.get("top_k"), n, path)}
    if function != "jumprelu":
        reason = OTHER_FUNCTIONS.get(function, "accepted: 'relu', 'topk', 'jumprelu'")
        raise ValueError(
            f"{str(path)!r} has act_fn={function!r:.80}, which is not supported: {reason}"
        )
    name = next((name for name in THRESHOLDS if name in tensors.arrays), THRESHOLDS[0])
    logarithms = take(tensors, {name: "n"}, sizes={"n": n}, required_by="its b_E")[name]
    with np.errstate(over="ignore"):
        thresholds = np.exp(logarithms.astype(np.float64))
    if not np.isfinite(thresholds).all():
        raise ValueError(f"{str(tensors.path)!r} has NaN or infinity in its thresholds; {ADVICE}")
    return {"thresholds": thresholds}


def _scales(config, tensors, names, transcodes, path):
    """Return the scales of rows and reconstructions, or the normalisation of each row."""
    kind = config.get("norm_activation", "dataset-wise")
    if kind == "dataset-wise":
        width = np.sqrt(config["d_model"])
        norms = [
            _norm(tensors, name, side) for name, side in zip(names, ("in", "out"), strict=True)
        ]
        return {"input_scale": width / norms[0], "output_scale": width / norms[1]}
    if kind == "token-wise" and not transcodes:
        return {"row_norm": "constant_norm"}
    if kind != "inference":
        raise ValueError(
            f"{str(path)!r} has norm_activation={kind!r:.80}, by which reconstructions depend on "
            f"other rows or on the targets; accepted: 'dataset-wise', 'inference' and, for "
            f"dictionaries, 'token-wise'"
        )
    if str(config.get("act_fn")).lower() == "jumprelu":
        warnings.warn(
            f"{str(path)!r} has norm_activation='inference': Llamascopium folds the norms of the "
            f"rows into weights and biases but not into thresholds; compare the L0 of its codes "
            f"with the one reported",
            UserWarning,
            stacklevel=2,
        )
    return {}


def _norm(tensors, name, side):
    """Return the mean norm of the rows at a hook point."""
    keys = [f"{NORM}{key}" for key in (name, side) if key]
    key = next((key for key in keys if key in tensors.arrays), keys[0])
    return positive(float(scalar(tensors, key)), key, tensors.path)


def _model(source):
    config = source.json("lm_config.json") if "lm_config.json" in source else {}
    return text_of(config, "model_name") or text_of(config, "model_from_pretrained_path")
