"""Layouts of OpenAI."""

import numpy as np

from tests.io.formats.layouts._common import (
    EPS,
    Layout,
    N,
    linear,
    relu,
    top,
    torch_at,
    wide,
)


def openai(folder, dtype, activation="TopK"):
    folder = folder / "resid_post_mlp_v5_32k" / "autoencoders"
    names = ("encoder.weight", "latent_bias", "decoder.weight", "pre_bias")
    tensors = linear(dtype, names=names) | {"stats_last_nonzero": np.zeros(N, np.int64)}
    others = {"activation": activation}
    if activation == "TopK":
        others["activation_state_dict"] = {"k": 3, "postact_fn": "ReLU"}
    t, normalises = wide(tensors), activation == "TopK"

    def moments(x):
        mean, std = x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True, ddof=1)
        return (mean, std) if normalises else (0.0, 1.0)

    def encode(x):
        mean, std = moments(x)
        u = (x - mean) / (std + EPS) if normalises else x
        pre = (u - t["pre_bias"]) @ t["encoder.weight"].T + t["latent_bias"]
        return top(pre, 3) if normalises else relu(pre)

    def predict(x):
        mean, std = moments(x)
        return (encode(x) @ t["decoder.weight"].T + t["pre_bias"]) * std + mean

    return Layout(
        folder / "8.pt",
        tensors,
        torch_at(folder / "8.pt", **others),
        encode,
        t["decoder.weight"].T,
        predict,
        "openai",
    )
