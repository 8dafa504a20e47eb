"""Layouts of Gemma Scope 1 and 2."""

import numpy as np

from tests.io.formats.layouts._common import (
    D_OUT,
    D,
    Layout,
    base,
    draw,
    jump,
    npz_at,
    safetensors_at,
    thresholds,
    wide,
    write_json,
)


def gemma_scope(
    folder, dtype, site="gemma-scope-2b-pt-res", inside="layer_9/width_16k/average_l0_73"
):
    folder = folder / site / inside
    transcodes, embeds = "transcoder" in site, "embedding" in inside
    tensors = base(dtype, D_OUT if transcodes else D) | {"threshold": thresholds(dtype)}
    t = wide(tensors)
    factor = np.sqrt(D) if embeds else 1.0

    def encode(x):
        return jump(x @ t["W_enc"] / factor + t["b_enc"], t["threshold"])

    def predict(x):
        return encode(x) @ (t["W_dec"] * factor) + t["b_dec"]

    name = "gemma_scope_transcoder" if transcodes else "gemma_scope"
    save = npz_at(folder / "params.npz")
    return Layout(folder, tensors, save, encode, t["W_dec"] * factor, predict, name)


def gemma_scope_2(folder, dtype, kind="resid_post", skip=False, config=True):
    folder = folder / "gemma-scope-2-270m-pt" / kind / "layer_9_width_16k_l0_medium"
    transcodes = kind == "transcoder"
    names = ("w_enc", "b_enc", "w_dec", "b_dec")
    tensors = base(dtype, D_OUT if transcodes else D, names) | {"threshold": thresholds(dtype)}
    if skip:
        tensors |= draw(dtype, 1, affine_skip_connection=(D, D_OUT))
    t = wide(tensors)
    if config:
        written = {"architecture": "jump_relu", "model_name": "gemma-v3-270m-pt", "type": "sae"}
        written["hf_hook_point_in"] = "model.layers.9.output"
        if transcodes:
            written |= {
                "type": "transcoder",
                "hf_hook_point_in": "model.layers.9.pre_feedforward_layernorm.output",
                "hf_hook_point_out": "model.layers.9.post_feedforward_layernorm.output",
            }
        write_json(folder / "config.json", written)

    def encode(x):
        return jump(x @ t["w_enc"] + t["b_enc"], t["threshold"])

    def predict(x):
        y = encode(x) @ t["w_dec"] + t["b_dec"]
        return y + x @ t["affine_skip_connection"] if skip else y

    save = safetensors_at(folder / "params.safetensors")
    return Layout(folder, tensors, save, encode, t["w_dec"], predict, "gemma_scope_2")
