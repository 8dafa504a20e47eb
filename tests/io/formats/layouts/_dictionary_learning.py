"""Layouts of dictionary_learning."""

import numpy as np

from tests.io.formats.layouts._common import (
    D,
    Layout,
    N,
    base,
    draw,
    jump,
    linear,
    relu,
    thresholds,
    top,
    torch_at,
    wide,
    write_json,
)


def dictionary_learning(folder, dtype, name="AutoEncoder"):
    folder = folder / "run"
    bias = {
        "AutoEncoder": "bias",
        "AutoEncoderNew": "decoder.bias",
        "GatedAutoEncoder": "decoder_bias",
    }
    bias = bias.get(name, "b_dec")
    if name in ("MatryoshkaBatchTopKSAE", "JumpReluAutoEncoder"):
        tensors = base(dtype)
        matrices = tensors["W_enc"], tensors["W_dec"]
    else:
        names = ("encoder.weight", "encoder.bias", "decoder.weight", bias)
        tensors = linear(dtype, names=names)
        matrices = tensors["encoder.weight"].T, tensors["decoder.weight"].T
    trainer = {"dict_class": name, "activation_dim": D, "dict_size": N, "layer": 3, "lm_name": "m"}
    if name == "GatedAutoEncoder":
        del tensors["encoder.bias"]
        tensors |= draw(dtype, 1, r_mag=(N,), gate_bias=(N,), mag_bias=(N,))
    if "TopK" in name:
        tensors |= {"k": np.array(3, np.int32), "threshold": np.array(0.6, np.float32)}
        trainer["k"] = 3
    if name == "MatryoshkaBatchTopKSAE":
        tensors["group_sizes"] = np.array([4, 6])
    if name == "JumpReluAutoEncoder":
        tensors["threshold"] = thresholds(dtype)
    t, (encoder, decoder) = wide(tensors), (np.asarray(m, np.float64) for m in matrices)
    write_json(folder / "config.json", {"trainer": trainer, "buffer": {"io": "out", "ctx_len": 4}})

    def encode(x):
        subtracts = name not in ("AutoEncoderNew", "JumpReluAutoEncoder")
        projected = (x - t[bias] if subtracts else x) @ encoder
        if name == "GatedAutoEncoder":
            magnitudes = relu(np.exp(t["r_mag"]) * projected + t["mag_bias"])
            return (projected + t["gate_bias"] > 0) * magnitudes
        pre = projected + (t["b_enc"] if "b_enc" in t else t["encoder.bias"])
        if name == "AutoEncoderTopK":
            return top(pre, 3)
        return jump(pre, t["threshold"]) if "threshold" in t else relu(pre)

    def predict(x):
        return encode(x) @ decoder + t[bias]

    return Layout(
        folder, tensors, torch_at(folder / "ae.pt"), encode, decoder, predict, "dictionary_learning"
    )
