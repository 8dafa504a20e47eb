"""Directories of SAELens say the same as ours."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from skdict import RandomDictionary, SparseDictionaryAutoencoder
from skdict.io import load_dictionary, save_dictionary

METADATA = {"model": "stories", "hook_point": "resid_post.2"}


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((100, 6), dtype=np.float32) + 2


@pytest.fixture
def saved(rows, tmp_path):
    sae = SparseDictionaryAutoencoder(10, max_iter=2, random_state=0).fit(rows)
    save_dictionary(sae, tmp_path / "sae", format="saelens", metadata=METADATA)
    return sae, tmp_path / "sae"


def theirs(tensors, x, centred=True):
    """Return codes and reconstruction by the formulas of a standard autoencoder there."""
    u = x - tensors["b_dec"] if centred else x
    codes = np.maximum(u @ tensors["W_enc"] + tensors["b_enc"], 0)
    return codes, codes @ tensors["W_dec"] + tensors["b_dec"]


def test_written_files_say_the_same(saved, rows):
    sae, folder = saved
    codes, rebuilt = theirs(load_file(folder / "sae_weights.safetensors"), rows)
    np.testing.assert_allclose(codes, sae.transform(rows).toarray(), atol=1e-5)
    np.testing.assert_allclose(rebuilt, sae.inverse_transform(sae.transform(rows)), atol=1e-5)
    config = json.loads((folder / "cfg.json").read_text())
    assert (config["architecture"], config["d_in"], config["d_sae"]) == ("standard", 6, 10)
    assert config["metadata"]["hook_name"] == "resid_post.2"


def test_reading_back(saved, rows):
    sae, folder = saved
    again = load_dictionary(folder)
    np.testing.assert_allclose(
        again.transform(rows).toarray(), sae.transform(rows).toarray(), atol=1e-6
    )
    assert again.metadata_ == METADATA
    assert again.partial_fit(rows).n_iter_ == 1


@pytest.mark.parametrize("centred", [True, False])
def test_any_standard_autoencoder_is_read(centred, rows, tmp_path):
    rng = np.random.default_rng(1)
    shapes = {"W_enc": (6, 10), "b_enc": (10,), "W_dec": (10, 6), "b_dec": (6,)}
    tensors = {name: rng.standard_normal(s).astype(np.float32) for name, s in shapes.items()}
    tensors["W_dec"][3] = 0
    folder = tmp_path / "theirs"
    folder.mkdir()
    save_file(tensors, folder / "sae_weights.safetensors")
    config = {
        "architecture": "standard",
        "d_in": 6,
        "d_sae": 10,
        "apply_b_dec_to_input": centred,
        "normalize_activations": "none",
        "metadata": {"sae_lens_version": "6.54.12"},
    }
    (folder / "cfg.json").write_text(json.dumps(config))
    sae = load_dictionary(folder)
    codes, rebuilt = theirs(tensors, rows, centred)
    lengths = np.linalg.norm(tensors["W_dec"], axis=1)
    lengths[3] = 1
    np.testing.assert_allclose(sae.transform(rows).toarray(), codes * lengths, atol=1e-4)
    np.testing.assert_allclose(sae.inverse_transform(sae.transform(rows)), rebuilt, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(sae.components_, axis=1)[[0, 9]], 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "topk"}, "architecture='topk'; only 'standard' has a counterpart"),
        ({"normalize_activations": "layer_norm"}, "normalize_activations='layer_norm'"),
        ({"reshape_activations": "hook_z"}, "reshape_activations='hook_z'"),
        ({"metadata": None}, "before version 6"),
        ({"d_sae": 11}, r"W_enc of shape \(6, 10\); its cfg.json asks for \(6, 11\)"),
    ],
)
def test_what_has_no_counterpart(saved, change, message):
    _, folder = saved
    config = json.loads((folder / "cfg.json").read_text()) | change
    (folder / "cfg.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        load_dictionary(folder)


def test_damage(saved):
    _, folder = saved
    weights = folder / "sae_weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        load_dictionary(folder)
    weights.unlink()
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        load_dictionary(folder)


def test_only_autoencoders_have_a_form_there(rows, tmp_path):
    random = RandomDictionary(8, random_state=0).fit(rows)
    with pytest.raises(TypeError, match="does not exist in SAELens"):
        save_dictionary(random, tmp_path / "random", format="saelens")


def test_saelens_itself_agrees(saved, rows):
    sae_lens = pytest.importorskip("sae_lens")
    sae, folder = saved
    loaded = sae_lens.SAE.load_from_disk(str(folder))
    with torch.no_grad():
        codes = loaded.encode(torch.from_numpy(rows))
        rebuilt = loaded.decode(codes)
    np.testing.assert_allclose(codes.numpy(), sae.transform(rows).toarray(), atol=1e-5)
    np.testing.assert_allclose(
        rebuilt.numpy(), sae.inverse_transform(sae.transform(rows)), atol=1e-5
    )
    loaded.save_model(str(folder.with_name("written by them")))
    again = load_dictionary(folder.with_name("written by them"))
    np.testing.assert_allclose(
        again.transform(rows).toarray(), sae.transform(rows).toarray(), atol=1e-5
    )
