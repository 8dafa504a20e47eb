"""Codes and reconstructions of SAELens directories, by the definition of each architecture."""

import json

import numpy as np
from safetensors.numpy import load_file, save_file


def written(folder):
    """Return the settings and tensors of a directory."""
    config = json.loads((folder / "cfg.json").read_text())
    return config, load_file(folder / "sae_weights.safetensors")


def write(folder, config, tensors):
    """Write a directory."""
    folder.mkdir(exist_ok=True)
    config = {
        "d_in": tensors["W_dec"].shape[1],
        "d_sae": len(tensors["W_dec"]),
        "normalize_activations": "none",
        "metadata": {"sae_lens_version": "6.54.12"},
    } | config
    (folder / "cfg.json").write_text(json.dumps(config))
    save_file(tensors, folder / "sae_weights.safetensors")


def norms(tensors):
    """Return the norms of the decoder rows."""
    return np.sqrt((tensors["W_dec"].astype(np.float64) ** 2).sum(axis=1))


def encode(config, tensors, x):
    """Return the codes of rows x."""
    t = {name: array.astype(np.float64) for name, array in tensors.items()}
    u = x - t["b_dec"] if config["apply_b_dec_to_input"] else x
    pre = u @ t["W_enc"] + t["b_enc"]
    if config["architecture"] == "standard":
        return np.maximum(pre, 0)
    if config["architecture"] == "jumprelu":
        threshold = t["threshold"] if "threshold" in t else np.exp(t["log_threshold"])
        return np.maximum(pre, 0) * (pre > threshold)
    if config.get("rescale_acts_by_decoder_norm"):
        pre = pre * norms(t)
    codes = np.zeros_like(pre)
    for row, out in zip(pre, codes, strict=True):
        best = sorted(range(len(row)), key=lambda j: (-row[j], j))[: config["k"]]
        out[best] = np.maximum(row[best], 0)
    return codes


def decode(config, tensors, codes):
    """Return reconstructions from codes."""
    if config.get("rescale_acts_by_decoder_norm"):
        codes = codes / norms(tensors)
    return codes @ tensors["W_dec"] + tensors["b_dec"]
