"""Read Llama Scope 1: ``hyperparams.json`` with ``checkpoints/final.safetensors``."""

import numpy as np

from skdict.io.formats._layout import ADVICE, positive, setting, take, text_of
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published

CONFIG, WEIGHTS = "hyperparams.json", "checkpoints/final.safetensors"
FILES = f"{CONFIG} with {WEIGHTS} (Llama Scope)"
LAYOUT = {
    "encoder.weight": "nd",
    "encoder.bias": "n",
    "decoder.weight": "on",
    "decoder.bias": "o",
}
# The only values for which the formula is known.
FIXED = {"act_fn": "jumprelu", "norm_activation": "dataset-wise"}


def matches(source):
    """Return True if a source is a Llama Scope directory."""
    return CONFIG in source and WEIGHTS in source


def read(source):
    """Return the dictionary or transcoder in a Llama Scope directory.

    Rows are scaled to a mean norm of the square root of the width before encoding, and
    reconstructions back, each by its own factor. The threshold is in units of the reconstruction:
    this follows from comparing published files, and no document states it.

    Parameters
    ----------
    source : Source
        Llama Scope directory.

    Returns
    -------
    PretrainedDictionary or PretrainedTranscoder

    Raises
    ------
    ValueError
        If a setting is not supported, or files are damaged.
    """
    path, config = source.path(CONFIG), source.json(CONFIG)
    _check_config(config, path)
    names = [text_of(config, f"hook_point_{side}") for side in ("in", "out")]
    transcodes = names[1] is not None and names[0] != names[1]
    tensors = source.tensors(WEIGHTS)
    sizes = {"d": setting(config, "d_model", int, path), "n": setting(config, "d_sae", int, path)}
    layout = LAYOUT if transcodes else LAYOUT | {"decoder.weight": "dn", "decoder.bias": "d"}
    found = take(tensors, layout, sizes=sizes, required_by=f"its {CONFIG}")
    published = Published(
        found["encoder.weight"],
        found["encoder.bias"],
        found["decoder.weight"].T,
        found["decoder.bias"],
        is_transcoder=transcodes,
        **_units(config, transcodes, path),
    )
    top_k = config.get("top_k")
    metadata = described(
        "llama_scope",
        tensors,
        architecture="jumprelu",
        model="meta-llama/Llama-3.1-8B",
        hook_point=names[0],
        target_hook_point=names[1] if transcodes else None,
        # Mean number of codes that the threshold was chosen for.
        l0=top_k if type(top_k) is int else None,
    )
    return published.fitted(metadata)


def _check_config(config, path):
    for name, accepted in FIXED.items():
        if config.get(name, accepted) != accepted:
            raise ValueError(
                f"{str(path)!r} has {name}={config[name]!r:.80}, which is not supported; accepted: "
                f"{accepted!r}"
            )
    if config.get("use_glu_encoder"):
        raise ValueError(f"{str(path)!r} has a gated linear unit (GLU), which has no form here")


def _units(config, transcodes, path):
    """Return the scales of both sides, the thresholds, and whether the bias is subtracted."""
    norms = setting(config, "dataset_average_activation_norm", dict, path)
    width = np.sqrt(config["d_model"])
    scales = [width / positive(norms.get(side), side, path) for side in ("in", "out")]
    threshold = float(setting(config, "jump_relu_threshold", (int, float), path))
    subtracts = setting(config, "apply_decoder_bias_to_pre_encoder", bool, path, default=False)
    if transcodes and subtracts:
        raise ValueError(
            f"{str(path)!r} subtracts the bias of the targets from the rows, which is not "
            f"supported; {ADVICE}"
        )
    return {
        "input_scale": scales[0],
        "output_scale": scales[1],
        "thresholds": threshold * scales[1],
        "subtracts_bias": subtracts,
    }
