"""Tiny random dictionaries in the layout of every family, with the family's formula in float64."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

D, N, O = 6, 10, 5  # width of rows, number of features, width of targets
EPS = 1e-5


@dataclass
class Layout:
    """Files of one dictionary, and what its family computes from them.

    Parameters
    ----------
    path : Path
        What to load.
    tensors : dict
        What is in the weights file.
    save : callable
        Writes such tensors.
    encode : callable
        Codes of rows as published.
    decoder : ndarray of shape (n, d_out)
        Change of the reconstruction per unit of such a code.
    predict : callable
        Reconstructions, or predictions of a transcoder.
    format : str
        Name of the format.
    """

    path: Path
    tensors: dict
    save: Callable
    encode: Callable
    decoder: np.ndarray
    predict: Callable
    format: str


def draw(dtype, seed=0, **shapes):
    """Return random tensors by name."""
    rng = np.random.default_rng(seed)
    drawn = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return {name: array.astype(dtype) for name, array in drawn.items()}


def wide(tensors):
    return {name: np.asarray(array, np.float64) for name, array in tensors.items()}


def relu(pre):
    return np.maximum(pre, 0)


def top(pre, k, *, signed=False):
    """Return the k largest entries of each row, the lower feature first among equals."""
    codes = np.zeros_like(pre)
    for row, out in zip(pre, codes, strict=True):
        strength = np.abs(row) if signed else row
        best = sorted(range(len(row)), key=lambda j: (-strength[j], j))[:k]
        out[best] = row[best] if signed else relu(row[best])
    return codes


def jump(pre, threshold):
    return relu(pre) * (pre > threshold)


def lengths(decoder):
    return np.sqrt((np.asarray(decoder, np.float64) ** 2).sum(axis=1))


def thresholds(dtype, n=N):
    return np.linspace(-0.5, 1.5, n).astype(dtype)


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def safetensors_at(path):
    path.parent.mkdir(parents=True, exist_ok=True)

    def save(tensors):
        save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path)

    return save


def torch_at(path, **others):
    path.parent.mkdir(parents=True, exist_ok=True)

    def save(tensors):
        converted = {k: torch.from_numpy(np.array(v)) for k, v in tensors.items()}
        torch.save(converted | others, path)

    return save


def npz_at(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    return lambda tensors: np.savez(path, **tensors)


def base(dtype, o=D, names=("W_enc", "b_enc", "W_dec", "b_dec"), seed=0):
    """Return matrices that encode from the left (d, n) and decode (n, o)."""
    shapes = dict(zip(names, ((D, N), (N,), (N, o), (o,)), strict=True))
    return draw(dtype, seed, **shapes)


def linear(dtype, o=D, names=("encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias")):
    """Return matrices in the layout of torch.nn.Linear: (n, d) and (o, n)."""
    shapes = dict(zip(names, ((N, D), (N,), (o, N), (o,)), strict=True))
    return draw(dtype, **shapes)


def saelens(folder, dtype, architecture="standard", flag=True, **settings):
    o = O if architecture.endswith("transcoder") else D
    tensors, t = base(dtype, o), None
    gate = {"gated": ("b_gate", "b_mag", "r_mag")}.get(architecture, ())
    if gate:
        del tensors["b_enc"]
        tensors |= draw(dtype, 1, **dict.fromkeys(gate, (N,)))
    if "jumprelu" in architecture:
        tensors["threshold"] = thresholds(dtype)
    if "skip" in architecture:
        tensors |= draw(dtype, 2, W_skip=(O, D))
    if "batchtopk" in architecture:
        tensors["topk_threshold"] = np.array(0.7)
    t = wide(tensors)
    config = {
        "architecture": architecture,
        "d_in": D,
        "d_sae": N,
        "apply_b_dec_to_input": flag,
        "normalize_activations": "none",
        "metadata": {
            "sae_lens_version": "6.54.12",
            "model_name": "m",
            "hook_name": "blocks.9.hook_resid_post",
        },
    } | settings
    if o == O:
        config["d_out"] = O
    write_json(folder / "cfg.json", config)
    by_norm = config.get("rescale_acts_by_decoder_norm", "batchtopk" in architecture)
    unit = lengths(t["W_dec"]) if by_norm else 1.0

    def encode(x):
        u = x - t["b_dec"] if flag and o == D else x
        if architecture == "gated":
            gated = u @ t["W_enc"] + t["b_gate"] > 0
            return gated * relu(u @ (t["W_enc"] * np.exp(t["r_mag"])) + t["b_mag"])
        pre = (u @ t["W_enc"] + t["b_enc"]) * unit
        if architecture in ("topk", "abstopk"):
            return top(pre, config["k"], signed=architecture == "abstopk")
        if "batchtopk" in architecture:
            return jump(pre, t["topk_threshold"])
        return jump(pre, t["threshold"]) if "threshold" in t else relu(pre)

    decoder = t["W_dec"] / (unit[:, None] if by_norm else 1.0)

    def predict(x):
        y = encode(x) @ decoder + t["b_dec"]
        return y + x @ t["W_skip"].T if "W_skip" in t else y

    save = safetensors_at(folder / "sae_weights.safetensors")
    return Layout(folder, tensors, save, encode, decoder, predict, "saelens")


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
    t, (encoder, decoder) = wide(tensors), map(lambda m: np.asarray(m, np.float64), matrices)
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


def gemma_scope(
    folder, dtype, site="gemma-scope-2b-pt-res", inside="layer_9/width_16k/average_l0_73"
):
    folder = folder / site / inside
    transcodes, embeds = "transcoder" in site, "embedding" in inside
    tensors = base(dtype, O if transcodes else D) | {"threshold": thresholds(dtype)}
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
    tensors = base(dtype, O if transcodes else D, names) | {"threshold": thresholds(dtype)}
    if skip:
        tensors |= draw(dtype, 1, affine_skip_connection=(D, O))
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


def llama_scope(folder, dtype, transcodes=False):
    tensors = linear(dtype, O if transcodes else D)
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
    names = ("W_E", "b_E", "W_D", "b_D")
    tensors = base(dtype, names=names)
    hooks = ["blocks.9.hook_resid_mid" if transcodes else "blocks.9.hook_mlp_out"]
    hooks.append("blocks.9.hook_mlp_out")
    t = wide(tensors)
    if not bias:
        del tensors["b_D"]
        t["b_D"] = np.zeros(D)
    if act_fn == "jumprelu":
        key = "log_jumprelu_threshold"
        tensors[key if older else f"activation_function.{key}"] = np.linspace(-1, 1, N, dtype=dtype)
    if norm == "dataset-wise":
        sides = dict(zip(("in", "out") if older else hooks, (5.0, 2.0), strict=False))
        for side, value in sides.items():
            tensors[f"dataset_average_activation_norm.{side}"] = np.array(value, dtype)
    if older:
        for new, old in zip(
            names, ("encoder.weight", "encoder.bias", "decoder.weight", "decoder.bias")
        ):
            tensors[old] = tensors.pop(new).T
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
    s_in = np.sqrt(D) / 5.0 if norm == "dataset-wise" else 1.0
    s_out = s_in
    if norm == "dataset-wise" and (transcodes or older):
        s_out = np.sqrt(D) / 2.0
    if norm == "dataset-wise" and not transcodes and not older:
        s_in = s_out = np.sqrt(D) / 2.0  # one hook point, whose entry is that of the output
    unit = lengths(t["W_D"]) if by_norm else np.ones(N)

    def scaled(x):
        if norm == "token-wise":
            return np.sqrt(D) / np.linalg.norm(x, axis=1, keepdims=True)
        return s_in

    def encode(x):
        pre = (scaled(x) * x) @ t["W_E"] + t["b_E"]
        gate = pre * unit
        if act_fn == "topk":
            return top(gate, 3) / unit
        theta = np.exp(np.linspace(-1, 1, N, dtype=dtype).astype(np.float64))
        return pre * (gate > (theta if act_fn == "jumprelu" else 0))

    def predict(x):
        return (encode(x) @ t["W_D"] + t["b_D"]) / (scaled(x) if norm == "token-wise" else s_out)

    save = safetensors_at(folder / file)
    if file.endswith(".pt"):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)

        def save(tensors):
            inside = {k: torch.from_numpy(np.array(v)) for k, v in tensors.items()}
            torch.save({"sae": inside, "version": "2.0.0"}, folder / file)

    return Layout(folder, tensors, save, encode, t["W_D"] / s_out, predict, "llamascopium")


def goodfire(folder, dtype):
    parts = "encoder_linear.weight", "encoder_linear.bias", "decoder_linear.weight"
    tensors = linear(dtype, names=(*parts, "decoder_linear.bias"))
    t = wide(tensors)
    path = folder / "Llama-3.1-8B-Instruct-SAE-l19.pth"

    def encode(x):
        return relu(x @ t[parts[0]].T + t[parts[1]])

    def predict(x):
        return encode(x) @ t[parts[2]].T + t["decoder_linear.bias"]

    return Layout(path, tensors, torch_at(path), encode, t[parts[2]].T, predict, "goodfire")


def qwen_scope(folder, dtype):
    folder = folder / "SAE-Res-Qwen3-1.7B-Base-W32K-L0_3"
    tensors = linear(dtype, names=("W_enc", "b_enc", "W_dec", "b_dec"))
    t = wide(tensors)

    def encode(x):
        return top(x @ t["W_enc"].T + t["b_enc"], 3)

    def predict(x):
        return encode(x) @ t["W_dec"].T + t["b_dec"]

    save = torch_at(folder / "layer7.sae.pt")
    return Layout(folder, tensors, save, encode, t["W_dec"].T, predict, "qwen_scope")


def circuit_tracer(folder, dtype, activation="relu", skip=False):
    shapes = {"W_enc": (N, D), "b_enc": (N,), "W_dec": (N, D), "b_dec": (D,)}
    tensors = draw(dtype, **shapes) | (draw(dtype, 1, W_skip=(D, D)) if skip else {})
    if activation == "jumprelu":
        tensors["activation_function.threshold"] = thresholds(dtype)
    t = wide(tensors)
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["model_name: Qwen/Qwen3-4B", "model_kind: transcoder_set"]
    lines += ["feature_input_hook: mlp.hook_in", "feature_output_hook: mlp.hook_out"]
    lines += ["activation: topk", "k: 3"] if activation == "topk" else []
    (folder / "config.yaml").write_text("\n".join(lines) + "\n")

    def encode(x):
        pre = x @ t["W_enc"].T + t["b_enc"]
        if activation == "topk":
            return top(pre, 3)
        return jump(pre, t.get("activation_function.threshold", 0))

    def predict(x):
        y = encode(x) @ t["W_dec"] + t["b_dec"]
        return y + x @ t["W_skip"].T if skip else y

    save = safetensors_at(folder / "layer_9.safetensors")
    return Layout(folder, tensors, save, encode, t["W_dec"], predict, "circuit_tracer")


def e2e_sae(folder, dtype):
    parts = ("encoder.0.weight", "encoder.0.bias", "decoder.weight", "decoder.bias")
    hook = "blocks-6-hook_resid_pre"
    tensors = linear(dtype, names=tuple(f"{hook}.{part}" for part in parts))
    t = wide({name.removeprefix(f"{hook}."): array for name, array in tensors.items()})
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "final_config.yaml").write_text("tlens_model_name: gpt2-small\nseed: 0\n")
    unit = t["decoder.weight"].T / lengths(t["decoder.weight"].T)[:, None]

    def encode(x):
        return relu(x @ t["encoder.0.weight"].T + t["encoder.0.bias"])

    def predict(x):
        return encode(x) @ unit + t["decoder.bias"]

    save = torch_at(folder / "samples_400000.pt")
    return Layout(folder, tensors, save, encode, unit, predict, "e2e_sae")


def _case(function, **options):
    return lambda folder, dtype: function(folder, dtype, **options)


TOPK = {"architecture": "topk", "k": 3}
LEGACY = {"metadata": None, "hook_point": "blocks.9.hook_resid_post", "model_name": "m"}
CASES = {
    **{f"saelens {a}": _case(saelens, architecture=a) for a in ("standard", "gated", "jumprelu")},
    "saelens uncentred": _case(saelens, architecture="jumprelu", flag=False),
    "saelens topk": _case(saelens, **TOPK),
    "saelens topk by norm": _case(saelens, **TOPK, rescale_acts_by_decoder_norm=True),
    "saelens abstopk": _case(saelens, architecture="abstopk", k=3),
    "saelens batchtopk": _case(saelens, architecture="batchtopk"),
    "saelens matryoshka": _case(
        saelens, architecture="matryoshka_batchtopk", rescale_acts_by_decoder_norm=False
    ),
    **{
        f"saelens {a}": _case(saelens, architecture=a)
        for a in (
            "transcoder",
            "skip_transcoder",
            "jumprelu_transcoder",
            "jumprelu_skip_transcoder",
        )
    },
    "saelens legacy": _case(saelens, **LEGACY),
    "saelens legacy topk": _case(
        saelens,
        **TOPK | LEGACY,
        activation_fn_str="topk",
        activation_fn_kwargs={"k": 3},
    ),
    **{
        f"dictionary_learning {name}": _case(dictionary_learning, name=name)
        for name in (
            "AutoEncoder",
            "AutoEncoderNew",
            "GatedAutoEncoder",
            "AutoEncoderTopK",
            "BatchTopKSAE",
            "MatryoshkaBatchTopKSAE",
            "JumpReluAutoEncoder",
        )
    },
    "sparsify": _case(sparsify),
    "sparsify signed": _case(sparsify, signed=True),
    "sparsify transcoder": _case(sparsify, transcode=True),
    "sparsify skip": _case(sparsify, transcode=True, skip=True),
    "gemma scope": _case(gemma_scope),
    "gemma scope embedding": _case(gemma_scope, inside="embedding/width_4k/average_l0_6"),
    "gemma scope transcoder": _case(gemma_scope, site="gemma-scope-2b-pt-transcoders"),
    "gemma scope 2": _case(gemma_scope_2),
    "gemma scope 2 by path": _case(gemma_scope_2, kind="attn_out", config=False),
    "gemma scope 2 transcoder": _case(gemma_scope_2, kind="transcoder"),
    "gemma scope 2 affine": _case(gemma_scope_2, kind="transcoder", skip=True, config=False),
    "openai topk": _case(openai),
    "openai relu": _case(openai, activation="ReLU"),
    "llama scope": _case(llama_scope),
    "llama scope transcoder": _case(llama_scope, transcodes=True),
    "llamascopium": _case(llamascopium),
    "llamascopium topk": _case(llamascopium, act_fn="topk", bias=False),
    "llamascopium relu": _case(llamascopium, act_fn="relu", norm="inference"),
    "llamascopium token-wise": _case(llamascopium, norm="token-wise"),
    "llamascopium transcoder": _case(llamascopium, transcodes=True, by_norm=False),
    "llamascopium pt": _case(llamascopium, file="sae_weights.pt"),
    "llama scope r1": _case(llamascopium, older=True, by_norm=False),
    "goodfire": _case(goodfire),
    "qwen scope": _case(qwen_scope),
    "circuit tracer": _case(circuit_tracer),
    "circuit tracer jumprelu": _case(circuit_tracer, activation="jumprelu"),
    "circuit tracer topk": _case(circuit_tracer, activation="topk"),
    "circuit tracer skip": _case(circuit_tracer, skip=True),
    "e2e_sae": _case(e2e_sae),
}
