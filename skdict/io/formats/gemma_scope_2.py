"""Read the single-layer dictionaries of Gemma Scope 2: ``params.safetensors``."""

import re

from skdict.io.formats._hook_names import layer_of
from skdict.io.formats._layout import ADVICE, take, text_of
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published

CONFIG, WEIGHTS = "config.json", "params.safetensors"
FILES = f"{WEIGHTS}, mostly with {CONFIG} (Gemma Scope 2)"
LAYOUT = {"w_enc": "dn", "b_enc": "n", "w_dec": "no", "b_dec": "o", "threshold": "n"}
SKIP = {"affine_skip_connection": "do"}
# Hook points by folder, for repositories without a configuration.
SITES = {
    "resid_post": ("model.layers.{}.output", None),
    "attn_out": ("model.layers.{}.self_attn.o_proj.input", None),
    "mlp_out": ("model.layers.{}.post_feedforward_layernorm.output", None),
    "transcoder": (
        "model.layers.{}.pre_feedforward_layernorm.output",
        "model.layers.{}.post_feedforward_layernorm.output",
    ),
}


def matches(source):
    """Return True if a source has the parameters of a single layer."""
    return WEIGHTS in source


def read(source):
    """Return the dictionary or transcoder in a folder.

    Parameters
    ----------
    source : Source
        Folder with the parameters.

    Returns
    -------
    PretrainedDictionary or PretrainedTranscoder

    Raises
    ------
    ValueError
        If neither the configuration nor the path states what the parameters are, the architecture
        is not supported, or tensors are missing or damaged.
    """
    config = source.json(CONFIG) if CONFIG in source else {}
    site = _site(source, config)
    _check_config(source, config, site)
    transcodes = site["target_hook_point"] is not None
    tensors = source.tensors(WEIGHTS)
    layout = LAYOUT | SKIP if transcodes else LAYOUT | {"w_dec": "nd", "b_dec": "d"}
    if not transcodes and not set(SKIP).isdisjoint(tensors.arrays):
        raise ValueError(
            f"{str(tensors.path)!r} has an affine skip connection but is not stated to be a "
            f"transcoder; {ADVICE}"
        )
    found = take(tensors, layout, optional=SKIP)
    published = Published(
        found["w_enc"].T,
        found["b_enc"],
        found["w_dec"],
        found["b_dec"],
        subtracts_bias=False,
        thresholds=found["threshold"],
        is_transcoder=transcodes,
        skip=found.get("affine_skip_connection"),
    )
    return published.fitted(described("gemma_scope_2", tensors, architecture="jumprelu", **site))


def _check_config(source, config, site):
    where = f"{source.origin}/{CONFIG}"
    architecture = config.get("architecture", "jump_relu")
    if architecture != "jump_relu":
        raise ValueError(
            f"{where!r} has architecture={architecture!r:.80}, which is not supported; accepted: "
            f"'jump_relu'"
        )
    kind = config.get("type") or "sae"
    if kind not in ("sae", "transcoder"):
        raise ValueError(
            f"{where!r} has type={kind!r:.80}: its features read or write several layers, which "
            f"is not supported; pass a folder of resid_post, attn_out, mlp_out or transcoder"
        )
    if site["hook_point"] is None or (kind == "transcoder" and site["target_hook_point"] is None):
        raise ValueError(
            f"{source.origin!r} does not state what it was trained on; keep its {CONFIG}, or the "
            f"names of the folders such as resid_post/layer_9_width_16k_l0_medium in the path"
        )


def _site(source, config):
    """Return the model and the hook points, from the configuration or else from the path."""
    read, written = (text_of(config, f"hf_hook_point_{side}") for side in ("in", "out"))
    if read is None:
        read, written = _hook_points_in(source.origin)
    return {
        "model": _model(text_of(config, "model_name"), source.origin),
        "hook_point": read,
        "target_hook_point": written if written != read else None,
    }


def _hook_points_in(origin):
    layer = layer_of(origin)
    found = re.findall("|".join(SITES), origin)
    if layer is None or not found:
        return None, None
    return [name and name.format(layer) for name in SITES[found[-1]]]


def _model(stated, origin):
    """Return the name of the model on the hub."""
    if stated is None:
        match = re.search(r"gemma-scope-2-(\w+-(?:pt|it))", origin)
        stated = f"gemma-3-{match[1]}" if match else None
    if stated is None:
        return None
    name = stated.replace("-v3", "-3")
    # The smallest model has no suffix where it is not tuned.
    name = name.replace("270m-pt", "270m")
    return name if "/" in name else f"google/{name}"
