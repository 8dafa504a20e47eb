"""Layouts of sparsify."""

from tests.io.formats.layouts._common import (
    D,
    Layout,
    N,
    draw,
    safetensors_at,
    top,
    wide,
    write_json,
)


def sparsify(folder, dtype, transcode=False, skip=False, signed=False):
    folder = folder / "run" / "layers.3.mlp"
    names = ("encoder.weight", "encoder.bias", "W_dec", "b_dec")
    shapes = dict(zip(names, ((N, D), (N,), (N, D), (D,)), strict=True))
    tensors = draw(dtype, **shapes) | (draw(dtype, 1, W_skip=(D, D)) if skip else {})
    t = wide(tensors)
    config = {"activation": "topk", "num_latents": 0, "expansion_factor": 2, "k": 3, "d_in": D}
    write_json(
        folder / "cfg.json",
        config | {"transcode": transcode, "skip_connection": skip, "signed": signed},
    )
    write_json(folder.parent / "config.json", {"model": "HuggingFaceTB/SmolLM2-135M"})

    def encode(x):
        u = x if transcode else x - t["b_dec"]
        return top(u @ t["encoder.weight"].T + t["encoder.bias"], 3, signed=signed)

    def predict(x):
        y = encode(x) @ t["W_dec"] + t["b_dec"]
        return y + x @ t["W_skip"].T if skip else y

    save = safetensors_at(folder / "sae.safetensors")
    return Layout(folder, tensors, save, encode, t["W_dec"], predict, "sparsify")
