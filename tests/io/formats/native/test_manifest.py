"""Manifests and arrays that do not fit together are refused."""

import hashlib
import os

import numpy as np
import pytest
from safetensors.numpy import load, save

from skdict import SparseDictionaryAutoencoder
from skdict.io import load_dictionary, save_dictionary
from tests.manifests import content_of, forge


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((200, 6)) + 2


def fit(rows, **options):
    return SparseDictionaryAutoencoder(10, max_iter=2, random_state=0, **options).fit(rows)


@pytest.fixture
def saved(rows, tmp_path):
    save_dictionary(fit(rows), tmp_path / "sae")
    return tmp_path / "sae"


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"version": 1}, "version 1, but this version of skdict reads 'skdict.dictionary', ver"),
        ({"format": "other"}, "has format 'other'"),
        ({"class": "Bomb"}, "has class 'Bomb' .*; pass a folder"),
        ({"class": []}, r"has class=\[\]"),
        ({"params": None}, "has params=None"),
        ({"fitted": 3}, "has fitted=3"),
        ({"sha256": "0"}, "no valid SHA-256"),
        ({"more": 1}, "'more'"),
        ({"params": {"alpha": 0.1, "size": 3}}, "the parameter size=3"),
        ({"params": {"tied_weights": "false"}}, "the parameter tied_weights='false'"),
    ],
)
def test_manifests_that_do_not_fit(saved, change, match):
    manifest = saved / "dictionary.json"
    forge(manifest, content_of(manifest) | change)
    with pytest.raises(ValueError, match=match):
        load_dictionary(saved)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"scale_": "1"}, "has scale_='1'"),
        ({"scale_": float("nan")}, "has scale_=nan"),
        ({"n_iter_": 2.5}, "has n_iter_=2.5"),
        ({"n_features_in_": 7}, "n_features_in_=7 but components_ of width 6"),
        ({"signed_": "false"}, "has signed_='false'"),
        ({"history_": [{"loss": None}]}, "has history_="),
        ({"__class__": 1}, "has __class__=1"),
        ({"scale_": None}, "has scale_=None"),
    ],
)
def test_fitted_numbers_that_do_not_fit(saved, change, match):
    manifest = saved / "dictionary.json"
    content = content_of(manifest)
    forge(manifest, content | {"fitted": content["fitted"] | change})
    with pytest.raises(ValueError, match=match):
        load_dictionary(saved)


@pytest.mark.parametrize(
    ("name", "array", "match"),
    [
        *((name, None, f"lacks {name}") for name in ("components_", "encoder_", "mean_")),
        (
            "mean_",
            np.zeros(5),
            r"mean_ of shape \(5,\) and dtype float64 but floats of shape \(6,\)",
        ),
        ("encoder_", np.full((10, 6), np.nan), "NaN or infinity in encoder_"),
        ("thresholds_", np.full(10, np.inf), "NaN or infinity in thresholds_"),
        ("encoder_bias_", np.zeros(10, int), r"encoder_bias_ of shape \(10,\) and dtype int64"),
        ("scale_", np.ones(1), "an array 'scale_'"),
    ],
)
def test_arrays_that_do_not_fit(saved, name, array, match):
    tensors, manifest = saved / "dictionary.safetensors", saved / "dictionary.json"
    arrays = load(tensors.read_bytes()) | {name: array}
    content = save({k: v for k, v in arrays.items() if v is not None})
    tensors.write_bytes(content)
    forge(manifest, content_of(manifest) | {"sha256": hashlib.sha256(content).hexdigest()})
    with pytest.raises(ValueError, match=match):
        load_dictionary(saved)


def test_weights_that_are_not_finite_are_not_saved(rows, tmp_path):
    sae = fit(rows)
    sae.components_[3, 2] = np.nan
    with pytest.raises(ValueError, match="NaN or infinity in components_"):
        save_dictionary(sae, tmp_path / "sae")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["dictionary.json", "dictionary.safetensors"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_only_regular_files_are_read(saved, name, kind):
    path = saved / name
    path.unlink()
    {"pipe": os.mkfifo, "device": lambda p: p.symlink_to("/dev/zero"), "folder": os.mkdir}[kind](
        path
    )
    with pytest.raises((ValueError, FileNotFoundError), match=r"dictionary\.(json|safetensors)"):
        load_dictionary(saved)
