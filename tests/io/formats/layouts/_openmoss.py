"""Layouts of Llama Scope and Llamascopium."""

import numpy as np
import torch

from tests.io.formats.layouts._common import (
    D_OUT,
    D,
    Layout,
    N,
    base,
    jump,
    lengths,
    linear,
    safetensors_at,
    top,
    wide,
    write_json,
)


def llama_scope(folder, dtype, transcodes=False):
    tensors = linear(dtype, D_OUT if transcodes else D)
    t = wide(tensors)
    norms = {"in": 5.0, "out": 2.0 if transcodes else 5.0}
    config = {
        "d_model": D,
        "d_sae": N,
        "hook_point_in": "blocks.9.ln2.hook_normalized" if transcodes else "blocks.9.hook_mlp_out",
        "hook_point_out": "blocks.9.hook_mlp_out",
        "act_fn": "jumprelu",
        "jump_relu_threshold": 0.3,
        "norm_activation": "dataset-wise",
        "dataset_average_activation_norm": norms,
        "sparsity_include_decoder_norm": True,
        "top_k": 50,
    }
    write_json(folder / "hyperparams.json", config)
    s_in, s_out = (np.sqrt(D) / norms[side] for side in ("in", "out"))

    def encode(x):
        pre = s_in * x @ t["encoder.weight"].T + t["encoder.bias"]
        return jump(pre, 0.3 * s_out)

    def predict(x):
        return (encode(x) @ t["decoder.weight"].T + t["decoder.bias"]) / s_out

    save = safetensors_at(folder / "checkpoints" / "final.safetensors")
    return Layout(
        folder, tensors, save, encode, t["decoder.weight"].T / s_out, predict, "llama_scope"
    )


OLDER = ("encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias")
NEWER = ("W_E", "b_E", "W_D", "b_D")
# Mean norms of rows and of reconstructions.
NORMS = (5.0, 2.0)


def _tensors(dtype, act_fn, norm, hooks, bias, older):
    """Return the tensors of the file, and those of the formula."""
    tensors = base(dtype, names=NEWER)
    if not bias:
        tensors["b_D"][:] = 0
    t = wide(tensors)
    if act_fn == "jumprelu":
        key = "log_jumprelu_threshold" if older else "activation_function.log_jumprelu_threshold"
        tensors[key] = np.linspace(-1, 1, N, dtype=dtype)
        t["threshold"] = np.exp(tensors[key].astype(np.float64))
    if norm == "dataset-wise":
        sides = ("in", "out") if older else hooks
        stored = {
            f"dataset_average_activation_norm.{s}": v for s, v in zip(sides, NORMS, strict=True)
        }
        tensors |= {name: np.array(value, dtype) for name, value in stored.items()}
    if not bias:
        del tensors["b_D"]
    if older:
        tensors |= {old: tensors.pop(new).T for new, old in zip(NEWER, OLDER, strict=True)}
    return tensors, t


def _scales(norm, hooks, older):
    """Return the scales of rows and of reconstructions."""
    if norm != "dataset-wise":
        return 1.0, 1.0
    # With one hook point, the entry of the reconstructions is the only one.
    norms = NORMS if older or hooks[0] != hooks[1] else NORMS[1:] * 2
    return [np.sqrt(D) / value for value in norms]


def _saved(path):
    if path.suffix == ".safetensors":
        return safetensors_at(path)
    path.parent.mkdir(parents=True, exist_ok=True)

    def save(tensors):
        inside = {name: torch.from_numpy(np.array(array)) for name, array in tensors.items()}
        torch.save({"sae": inside, "version": "2.0.0"}, path)

    return save


def llamascopium(
    folder,
    dtype,
    act_fn="jumprelu",
    by_norm=True,
    norm="dataset-wise",
    transcodes=False,
    bias=True,
    older=False,
    file="sae_weights.safetensors",
):
    hooks = ["blocks.9.hook_resid_mid" if transcodes else "blocks.9.hook_mlp_out"]
    hooks.append("blocks.9.hook_mlp_out")
    tensors, t = _tensors(dtype, act_fn, norm, hooks, bias, older)
    config = {
        "sae_type": "sae",
        "d_model": D,
        "expansion_factor": N / D,
        "act_fn": act_fn,
        "top_k": 3,
        "norm_activation": norm,
        "sparsity_include_decoder_norm": by_norm,
        "use_decoder_bias": bias,
        "hook_point_in": hooks[0],
        "hook_point_out": hooks[1],
    }
    write_json(folder / "config.json", config)
    write_json(folder / "lm_config.json", {"model_name": "m"})
    unit = lengths(t["W_D"]) if by_norm else np.ones(N)
    scales = _scales(norm, hooks, older)

    def scaled(x, side):
        if norm == "token-wise":
            return np.sqrt(D) / np.linalg.norm(x, axis=1, keepdims=True)
        return scales[side]

    def encode(x):
        pre = (scaled(x, 0) * x) @ t["W_E"] + t["b_E"]
        if act_fn == "topk":
            return top(pre * unit, 3) / unit
        return pre * (pre * unit > t.get("threshold", 0))

    def predict(x):
        return (encode(x) @ t["W_D"] + t["b_D"]) / scaled(x, 1)

    save, decoder = _saved(folder / file), t["W_D"] / scales[1]
    return Layout(folder, tensors, save, encode, decoder, predict, "llamascopium")
