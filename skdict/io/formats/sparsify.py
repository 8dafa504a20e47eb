"""Read and write directories of EleutherAI's sparsify: ``cfg.json`` with ``sae.safetensors``."""

import json
import re
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from skdict._files import read_json, whole_folder
from skdict.decomposition import is_transcoder
from skdict.io.formats._folded import AUTOENCODERS, TRANSCODERS, folded, no_counterpart
from skdict.io.formats._hook_names import hook_point_of
from skdict.io.formats._layout import check_k, setting, take, text_of
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published

CONFIG, WEIGHTS = "cfg.json", "sae.safetensors"
MARKER = WEIGHTS
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
# Entries of the header of the weights, which only skdict writes.
STATED = ("model", "hook_point", "target_hook_point")


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
        is_transcoder=transcodes,
        skip=found["W_skip"].T if "W_skip" in found else None,
        **_selection(config, len(found["W_dec"]), path),
    )
    return published.fitted(
        described("sparsify", tensors, architecture="topk", **_site(source, tensors, transcodes))
    )


def _selection(config, n, path):
    """Return k and whether it selects by absolute value."""
    k, signed = config.get("k"), setting(config, "signed", bool, path, default=False)
    # Keeping all features is a ReLU.
    whole = check_k(k, n, path) == n and not signed
    return {"k": None if whole else k, "signed": signed}


def write(dictionary, folder, metadata):
    """Write a sparsify directory with the same codes.

    A ReLU is written as a selection of as many features as there are, which is the same. In
    sparsify, the names of the folder and of its parent state the hook point and the run, so name
    the folder after the module, such as "layers.9.mlp". Model and hook points are also stored in
    the header of the weights, which sparsify ignores.

    Parameters
    ----------
    dictionary : SparseDictionaryAutoencoder, SparseTranscoder, PretrainedDictionary or \
            PretrainedTranscoder
        Fitted dictionary whose codes are ReLU or top-k. Targets of a transcoder must have the width
        of its rows.
    folder : str or path
        Destination folder.
    metadata : dict
        Metadata, of which `model`, `hook_point` and `target_hook_point` are stored.

    Raises
    ------
    TypeError
        If the estimator is of another class.
    ValueError
        If sparsify has no such codes, or targets have another width than rows.
    """
    lacks = ("thresholds", "signed", "row_norm")
    form = folded(dictionary, "sparsify", AUTOENCODERS + TRANSCODERS, lacks=lacks)
    transcodes, (n, width) = is_transcoder(dictionary), form.encoder.shape
    if form.decoder.shape[1] != width:
        raise no_counterpart("targets of another width than the rows", "sparsify")
    config = {
        "activation": "topk",
        "expansion_factor": max(1, n // width),
        "normalize_decoder": False,
        "num_latents": n,
        "k": form.k or n,
        "multi_topk": False,
        "skip_connection": form.skip is not None,
        "transcode": transcodes,
        "d_in": width,
    }
    tensors = {
        "encoder.weight": form.encoder,
        "encoder.bias": form.raw_bias if transcodes else form.encoder_bias,
        "W_dec": form.decoder,
        "b_dec": form.decoder_bias,
    } | ({} if form.skip is None else {"W_skip": form.skip.T})
    tensors = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    stated = {name: metadata[name] for name in STATED if isinstance(metadata.get(name), str)}
    with whole_folder(folder, MARKER, "a sparsify directory") as beside:
        (beside / WEIGHTS).write_bytes(save(tensors, metadata=stated))
        (beside / CONFIG).write_text(json.dumps(config, indent=1), encoding="utf-8")


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


def _site(source, tensors, transcodes):
    """Return the model and the hook points, from the run's settings and the folder's name."""
    stated = {name: tensors.plain[name] for name in STATED if name in tensors.plain}
    return _named_by_folder(source, transcodes) | stated


def _named_by_folder(source, transcodes):
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
