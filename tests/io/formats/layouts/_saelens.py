"""Layouts of SAELens."""

import numpy as np

from tests.io.formats.layouts._common import (
    D_OUT,
    D,
    Layout,
    N,
    base,
    draw,
    jump,
    lengths,
    relu,
    safetensors_at,
    thresholds,
    top,
    wide,
    write_json,
)


def _tensors(dtype, architecture):
    tensors = base(dtype, D_OUT if architecture.endswith("transcoder") else D)
    if architecture == "gated":
        del tensors["b_enc"]
        tensors |= draw(dtype, 1, b_gate=(N,), b_mag=(N,), r_mag=(N,))
    if "jumprelu" in architecture:
        tensors["threshold"] = thresholds(dtype)
    if "skip" in architecture:
        tensors |= draw(dtype, 2, W_skip=(D_OUT, D))
    if "batchtopk" in architecture:
        tensors["topk_threshold"] = np.array(0.7)
    return tensors


def _codes(architecture, t, u, unit, k):
    """Return the codes of rows, of which the bias has been subtracted if it is."""
    if architecture == "gated":
        magnitudes = relu(u @ (t["W_enc"] * np.exp(t["r_mag"])) + t["b_mag"])
        return (u @ t["W_enc"] + t["b_gate"] > 0) * magnitudes
    pre = (u @ t["W_enc"] + t["b_enc"]) * unit
    if architecture in ("topk", "abstopk"):
        return top(pre, k, signed=architecture == "abstopk")
    return jump(pre, t.get("threshold", t.get("topk_threshold", 0)))


def saelens(folder, dtype, architecture="standard", flag=True, **settings):
    tensors = _tensors(dtype, architecture)
    t, transcodes = wide(tensors), architecture.endswith("transcoder")
    config = {
        "architecture": architecture,
        "d_in": D,
        "d_sae": N,
        **({"d_out": D_OUT} if transcodes else {}),
        "apply_b_dec_to_input": flag,
        "normalize_activations": "none",
        "metadata": {
            "sae_lens_version": "6.54.12",
            "model_name": "m",
            "hook_name": "blocks.9.hook_resid_post",
        },
    } | settings
    write_json(folder / "cfg.json", config)
    by_norm = config.get("rescale_acts_by_decoder_norm", "batchtopk" in architecture)
    unit = lengths(t["W_dec"]) if by_norm else np.ones(N)
    decoder = t["W_dec"] / unit[:, None]

    def encode(x):
        u = x - t["b_dec"] if flag and not transcodes else x
        return _codes(architecture, t, u, unit, config.get("k"))

    def predict(x):
        y = encode(x) @ decoder + t["b_dec"]
        return y + x @ t["W_skip"].T if "W_skip" in t else y

    save = safetensors_at(folder / "sae_weights.safetensors")
    return Layout(folder, tensors, save, encode, decoder, predict, "saelens")
