"""Layouts of the remaining families."""

from tests.io.formats.layouts._common import (
    D,
    Layout,
    N,
    draw,
    jump,
    lengths,
    linear,
    relu,
    safetensors_at,
    thresholds,
    top,
    torch_at,
    wide,
)


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
