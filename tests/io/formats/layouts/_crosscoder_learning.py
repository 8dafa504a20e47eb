"""Layout of crosscoder_learning."""

import numpy as np

from tests.io.formats.layouts._common import (
    D,
    Layout,
    N,
    draw,
    safetensors_at,
    wide,
    write_json,
)

# Two layers, or models, of equal width.
L, WIDTH = 2, D // 2
NUMBERS = {"CROSSCODER": 1, "SAE": 2, "MIXED": 3, "NONE": 4, "DECOUPLED": 5}
EPS = 1e-8


def crosscoder_learning(folder, dtype, norm="CROSSCODER", selects=True, scales=True):
    shapes = {
        "encoder.weight": (L, WIDTH, N),
        "encoder.bias": (N,),
        "decoder.weight": (L, N, WIDTH),
        "decoder.bias": (L, WIDTH),
    }
    tensors = draw(dtype, **shapes)
    statistics = draw(dtype, 1, activation_mean=(L, WIDTH), activation_std=(L, WIDTH))
    tensors |= statistics if scales else {name: np.nan * a for name, a in statistics.items()}
    tensors["activation_global_scale"] = np.array([0.5, 1.5] if scales else [1, 1], dtype)
    tensors["code_normalization_id"] = np.array(NUMBERS[norm])
    if selects:
        tensors |= {"k": np.array(3, np.int32), "threshold": np.array(1.5, np.float32)}
    config = {"activation_dim": WIDTH, "dict_size": N, "num_layers": L, "code_normalization": norm}
    config |= {"dict_class": "BatchTopKCrossCoder" if selects else "CrossCoder"}
    if norm == "MIXED":
        config |= {"code_normalization_alpha_sae": 0.5, "code_normalization_alpha_cc": 0.25}
    write_json(folder / "config.json", config)
    t = wide(tensors)
    center = t["activation_mean"] if scales else np.zeros((L, WIDTH))
    scale = t["activation_global_scale"]
    divisor = scale + EPS if scales else scale

    def encode(x):
        codes = np.zeros((len(x), N))
        for row, out in zip(x, codes, strict=True):
            for j in range(N):
                out[j] = _code(row, j, t, center, scale, norm)
        return codes

    def predict(x):
        rebuilt = np.zeros((len(x), D))
        for codes, row in zip(encode(x), rebuilt, strict=True):
            for layer in range(L):
                for i in range(WIDTH):
                    value = sum(codes[j] * t["decoder.weight"][layer, j, i] for j in range(N))
                    value += t["decoder.bias"][layer, i]
                    row[layer * WIDTH + i] = value / divisor[layer] + center[layer, i]
        return rebuilt

    by_block = [t["decoder.weight"][layer] / divisor[layer] for layer in range(L)]
    save = safetensors_at(folder / "model.safetensors")
    decoder = np.concatenate(by_block, axis=1)
    return Layout(folder, tensors, save, encode, decoder, predict, "crosscoder_learning")


def _code(row, j, t, center, scale, norm):
    """Return the code of a feature on a row, by the definition."""
    pre = t["encoder.bias"][j]
    for layer in range(L):
        for i in range(WIDTH):
            x = (row[layer * WIDTH + i] - center[layer, i]) * scale[layer]
            pre += x * t["encoder.weight"][layer, i, j]
    if pre <= 0:
        return 0
    norms = [np.sqrt(sum(v * v for v in t["decoder.weight"][layer, j])) for layer in range(L)]
    whole = np.sqrt(sum(v * v for v in norms))
    factor = {
        "CROSSCODER": sum(norms),
        "SAE": whole,
        "MIXED": 0.5 * whole + 0.25 * sum(norms),
        "NONE": 1,
        "DECOUPLED": None,
    }[norm]
    return pre if "threshold" not in t or pre * factor > t["threshold"] else 0
