"""What the layouts of all families share: files, tensors and nonlinearities."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file

D, N, D_OUT = 6, 10, 5  # width of rows, number of features, width of targets
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


def change_json(path, **changes):
    """Change settings of a file; those that are ... are removed."""
    config = json.loads(path.read_text()) | changes
    write_json(path, {name: value for name, value in config.items() if value is not ...})


def saved(layout, **changes):
    """Write a layout with changed tensors and return it; those that are None are left out."""
    tensors = layout.tensors | changes
    layout.save({name: array for name, array in tensors.items() if array is not None})
    return layout


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
