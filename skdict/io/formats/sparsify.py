"""Read directories of EleutherAI's sparsify: ``cfg.json`` with ``sae.safetensors``."""

import re
from pathlib import Path

from skdict._files import read_json
from skdict.io.formats._hook_names import hook_point_of
from skdict.io.formats._layout import check_k, setting, take, text_of
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published

CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"
FILES = f"{CONFIG} with {WEIGHTS} (sparsify)"
LAYOUT = {
    "encoder.weight": "nd",
    "encoder.bias": "n",
    "W_dec": "nd",
    "b_dec": "d",
    "W_skip": "dd",
}
# Settings of the run, above the folder of a hook point and, with several seeds, of a seed.
RUN = ("../config.json", "../../config.json")
GROUP_SCALES = "../scaling_factors.pt"


def matches(source):
    """Return True if a source is a sparsify directory."""
    return CONFIG in source and WEIGHTS in source


def read(source):
    """Return the dictionary or transcoder in a sparsify directory.

    Parameters
    ----------
    source : Source
        Directory of one hook point.

    Returns
    -------
    PretrainedDictionary or PretrainedTranscoder

    Raises
    ------
    ValueError
        If the activation is not "topk", or files are damaged.
    """
    path, config = source.path(CONFIG), source.json(CONFIG)
    _check_config(source, config, path)
    sizes = {"d": setting(config, "d_in", int, path)}
    # Older files have 0 latents, which means the width times the expansion factor.
    if setting(config, "num_latents", int, path, default=0):
        sizes["n"] = config["num_latents"]
    tensors = source.tensors(WEIGHTS)
    found = take(tensors, LAYOUT, optional=("W_skip",), sizes=sizes, required_by=f"its {CONFIG}")
    transcodes = setting(config, "transcode", bool, path, default=False)
    if "W_skip" in found and not transcodes:
        raise ValueError(
            f"{str(path)!r} has a skip connection but does not predict other rows "
            f"(transcode=false), which is not supported; pass a transcoder or one without W_skip"
        )
    published = Published(
        found["encoder.weight"],
        found["encoder.bias"],
        found["W_dec"],
        found["b_dec"],
        subtracts_bias=not transcodes,
        k=check_k(config.get("k"), len(found["W_dec"]), path),
        signed=setting(config, "signed", bool, path, default=False),
        is_transcoder=transcodes,
        skip=found["W_skip"].T if "W_skip" in found else None,
    )
    return published.fitted(
        described("sparsify", tensors, architecture="topk", **_site(source, transcodes))
    )


def _check_config(source, config, path):
    activation = config.get("activation", "topk")
    reason = "accepted: 'topk'"
    if activation == "groupmax":
        reason = "groupmax keeps the maximum of each group of features, which has no form here"
    elif activation == "batchtopk" or "n_targets" in config:
        reason = (
            "it is a cross-layer transcoder of the fork clt-training, whose features write to "
            "several layers"
        )
    if activation != "topk" or "n_targets" in config:
        raise ValueError(
            f"{str(path)!r} has activation={activation!r:.80}, which is not supported: {reason}"
        )
    if source.optional(GROUP_SCALES, Path.stat):
        raise ValueError(
            f"{source.origin!r} belongs to the fork group-sae, whose scaling_factors.pt scales the "
            f"rows of each hook point; fold them into the weights and save the dictionary in a "
            f"folder of its own"
        )


def _site(source, transcodes):
    """Return the model and the hook points, from the run's settings and the folder's name."""
    runs = (source.optional(name, read_json) for name in RUN)
    model = next((name for run in runs if (name := text_of(run, "model"))), None)
    parts = [part for part in source.origin.split("/") if not re.fullmatch(r"seed\d+", part)]
    name = parts[-1]
    if not transcodes:
        return {"model": model, "hook_point": hook_point_of(name, model=model)}
    return {
        "model": model,
        "hook_point": hook_point_of(name, side="input", model=model),
        "target_hook_point": hook_point_of(name, model=model),
    }
