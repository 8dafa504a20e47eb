"""Damage to published dictionaries that keeps their files well formed, so that it gets further.

`tests.fuzzing` damages bytes, JSON and headers; here tensors are renamed, swapped, reshaped and
given other dtypes and values, files are renamed, and hostile files take their place.
"""

import io
import json
import os
import pickle
import zipfile

import numpy as np
import torch

from tests.fuzzing import HOSTILE, mutate

NAMES = ("", "../../etc/passwd", "/etc/passwd", "W_dec", "threshold", "k", "x" * 3000, "é\u202e")
FILES = (
    *("params.npz", "ae.pt", "sae.safetensors", "sae_weights.safetensors", "params.safetensors"),
    *("cfg.json", "config.json", "hyperparams.json", "layer_0.safetensors", "layer0.sae.pt"),
    *("W_enc_0.safetensors", "model.safetensors.index.json", "config.yaml", "dictionary.json"),
)
VALUES = (np.nan, np.inf, -np.inf, 1e38, -1e38, 3e-45, 0.0, 1e308)
DTYPES = ("f2", "f4", "f8", "i1", "i4", "i8", "u1", "?")
# YAML that names code or expands without end, and odd JSON.
ALIASES = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}]\n" for a, b in ("ab", "bc", "cd", "de")
)
YAML = (
    *(
        "!!python/object/apply:os.system ['true']",
        "- 1",
        "k: ..",
        ALIASES,
        "[" * 5000,
        "a: 2001-99-99",
    ),
    *(
        "model_kind: cross_layer_transcoder",
        "activation: topk\nk: 1e9",
        "? [a]\n: b",
        "k: 0x" + "f" * 999,
    ),
)
JSON = (
    "[" * 200_000,
    "NaN",
    '{"a": 1, "a": 2}',
    '{"k": 1e999}',
    "\ufeff{}",
    '{"d_in": ' + "9" * 5000 + "}",
)


class Bomb:
    """Runs a command if anything unpickles it."""

    def __reduce__(self):
        return (os.system, ("true",))


def reshaped(array, chance):
    """Return an array in another shape, or with other entries."""
    kinds = (
        lambda: array.T,
        lambda: array.reshape(-1),
        lambda: array[None],
        lambda: array[:0],
        lambda: array[:-1] if array.ndim else array,
        lambda: np.concatenate([array, array]) if array.ndim else array,
        lambda: np.zeros((), array.dtype),
        lambda: np.zeros_like(array),
        lambda: -array,
        lambda: np.zeros((0, 2**31), array.dtype),
    )
    return np.array(chance.choice(kinds)())


def revalued(array, chance):
    """Return an array with one hostile entry."""
    changed = np.array(array)
    with np.errstate(over="ignore", invalid="ignore"):
        if changed.size and changed.dtype.kind == "f":
            changed.reshape(-1)[chance.randrange(changed.size)] = chance.choice(VALUES)
        elif changed.size:
            changed.reshape(-1)[...] = chance.choice((-1, 0, 1, 2**31 - 1))
    return changed


def retyped(array, chance):
    """Return an array of another dtype."""
    with np.errstate(over="ignore", invalid="ignore"):
        return array.astype(chance.choice(DTYPES))


def damage_tensors(tensors, chance):
    """Return tensors of which one or two are renamed, swapped, removed, added or changed."""
    tensors = dict(tensors)
    for _ in range(chance.choice((1, 1, 2))):
        name, other = chance.choice(list(tensors)), chance.choice(list(tensors))
        kind = chance.randrange(7)
        if kind == 0:
            tensors[chance.choice((*NAMES, other, name.upper(), f"sae.{name}"))] = tensors.pop(name)
        elif kind == 1:
            tensors[name], tensors[other] = tensors[other], tensors[name]
        elif kind == 2 and len(tensors) > 1:
            del tensors[name]
        elif kind == 3:
            tensors[chance.choice(NAMES)] = tensors[other]
        else:
            change = (reshaped, revalued, retyped)[kind - 4] if kind > 3 else revalued
            tensors[name] = change(np.asarray(tensors[name]), chance)
    return tensors


def hostile_torch(path, chance):
    """Put a torch file with other objects in place of a file."""
    views = torch.zeros(1).expand(10**12), torch.eye(3).to_sparse(), torch.ones(2) + 1j
    odd = (*views, torch.empty(3, device="meta"), Bomb(), {"a": {"b": {"c": Bomb()}}}, [1], b"x")
    content = chance.choice(
        (
            lambda: {"encoder.weight": chance.choice(odd)},
            lambda: chance.choice(odd),
            lambda: {1: torch.ones(2), None: torch.ones(2), ("a",): 3},
            lambda: {"sae": {"sae": {"sae": {}}}, "ae": chance.choice(HOSTILE)},
        )
    )()
    torch.save(content, path)


def hostile_zip(path, chance):
    """Put a zip archive with odd entries in place of a file."""
    bomb = io.BytesIO()
    np.save(bomb, np.zeros(1000))
    bytes_of = bomb.getvalue()
    method = chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in chance.sample(("W_enc.npy", "../../x.npy", "a/b.npy", "data.pkl", ""), 2):
            content = chance.choice((bytes_of, bytes(10**7), pickle.dumps(Bomb()), b""))
            archive.writestr(name or "x", content)


def hostile_file(path, chance):
    """Put a hostile file of its own kind in place of a file."""
    if path.suffix in (".yaml", ".json"):
        path.write_text(chance.choice(YAML if path.suffix == ".yaml" else JSON), encoding="utf-8")
    elif path.suffix in (".pt", ".pth"):
        chance.choice((hostile_torch, hostile_zip))(path, chance)
    elif path.suffix == ".npz":
        hostile_zip(path, chance)
    else:
        index = {"weight_map": {"W_dec": chance.choice(NAMES)}}
        content = chance.choice((pickle.dumps(Bomb()), json.dumps(index).encode(), bytes(8)))
        path.write_bytes(content)


def misplace(path, chance):
    """Give a file the name of another, or the content of another."""
    others = sorted(other for other in path.parent.iterdir() if other.is_file())
    other = chance.choice([*others, path.with_name(chance.choice(FILES))])
    if chance.random() < 0.5 or not other.exists():
        path.rename(other)
    else:
        path.write_bytes(other.read_bytes())


def damage(layout, files, chance):
    """Damage one of the files of a layout, and return the name of the kind of damage.

    Parameters
    ----------
    layout : Layout
        Whole files, in a folder of their own.
    files : list of Path
        Those that may be damaged.
    chance : random.Random
        Draws the damage.
    """
    path, kind = chance.choice(files), chance.random()
    if kind < 0.4:
        try:
            layout.save(damage_tensors(layout.tensors, chance))
        # Some formats cannot hold some names and shapes.
        except Exception:
            return mutate(path, chance)
        return "tensors"
    if kind < 0.8:
        return mutate(path, chance)
    change = chance.choice((hostile_file, misplace))
    change(path, chance)
    return change.__name__
