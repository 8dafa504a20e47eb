"""The adapter keeps the contract of SAEBench, and the codes of the dictionary."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA, FastICA, MiniBatchDictionaryLearning

from skdict import SparseDictionaryAutoencoder, SparseTranscoder
from skdict.decomposition import PretrainedDictionary
from skdict.evaluation import to_saebench
from skdict.io import load_dictionary, save_dictionary

D, M = 6, 10
SITE = {"model_name": "gpt2", "hook_point": "resid_post.3"}
KINDS = {
    "relu": {},
    "debiased": {"debias": True},
    "topk": {"activation": "topk", "target_l0": 3},
    "batch_topk": {"activation": "batch_topk", "target_l0": 2.5, "tied_weights": False},
}


@pytest.fixture(scope="module")
def rows():
    return np.random.default_rng(0).standard_normal((200, D)) + 2


def fit(rows, kind):
    return SparseDictionaryAutoencoder(M, max_iter=2, random_state=0, **KINDS[kind]).fit(rows)


def adapt(dictionary, **options):
    return to_saebench(dictionary, device="cpu", dtype="float64", **SITE | options)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_and_reconstructions_are_the_same(kind, rows):
    sae, x = fit(rows, kind), torch.from_numpy(rows)
    adapter = adapt(sae)
    codes = adapter.encode(x)
    np.testing.assert_allclose(codes.numpy(), sae.transform(rows).toarray(), atol=1e-10)
    rebuilt = sae.inverse_transform(sae.transform(rows))
    np.testing.assert_allclose(adapter(x).numpy(), rebuilt, atol=1e-10)
    np.testing.assert_array_equal(adapter.decode(codes), adapter(x))
    # As the benchmark does with batches of sequences.
    batch = x.reshape(4, 50, D)
    np.testing.assert_allclose(adapter.encode(batch).reshape(200, M), codes, atol=1e-12)


def test_the_contract(rows):
    adapter = adapt(fit(rows, "relu"))
    assert isinstance(adapter, torch.nn.Module)
    shapes = {name: tuple(getattr(adapter, name).shape) for name in ("W_enc", "W_dec")}
    assert shapes == {"W_enc": (D, M), "W_dec": (M, D)}
    assert (tuple(adapter.b_enc.shape), tuple(adapter.b_dec.shape)) == ((M,), (D,))
    torch.testing.assert_close(adapter.W_dec.norm(dim=1), torch.ones(M, dtype=torch.float64))
    assert {"W_enc", "W_dec", "b_enc", "b_dec"} == {name for name, _ in adapter.named_parameters()}
    assert (adapter.device, adapter.dtype) == (torch.device("cpu"), torch.float64)
    moved = adapter.to(device="cpu", dtype=torch.bfloat16)
    assert moved is adapter
    assert adapter.dtype == adapter(torch.from_numpy(rows)).dtype == torch.bfloat16
    settings = adapter.cfg.to_dict()
    expected = {"d_in": D, "d_sae": M, "hook_layer": 3, "hook_name": "blocks.3.hook_resid_post"}
    expected |= {"model_name": "gpt2", "dtype": "float64", "device": "cpu"}
    assert {name: settings[name] for name in expected} == expected
    # The benchmark adds entries of its own.
    adapter.cfg.metadata = adapter.cfg


def test_the_bias_is_that_of_both_sides(rows):
    pca = PCA(4).fit(rows)
    codes = pca.transform(rows)
    adapter = adapt(pca)
    np.testing.assert_allclose(adapter.encode(torch.from_numpy(rows)), codes, atol=1e-9)
    rebuilt = adapter(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(rebuilt, pca.inverse_transform(codes), atol=1e-9)


def test_directions_of_other_lengths_become_unit_vectors(rows):
    ica = FastICA(4, random_state=0, whiten_solver="eigh").fit(rows)
    adapter, x = adapt(ica), torch.from_numpy(rows)
    rebuilt = ica.inverse_transform(ica.transform(rows))
    np.testing.assert_allclose(adapter(x).numpy(), rebuilt, atol=1e-8)
    torch.testing.assert_close(adapter.W_dec.norm(dim=1), torch.ones(4, dtype=torch.float64))
    lengths = np.linalg.norm(ica.mixing_, axis=0)
    np.testing.assert_allclose(adapter.encode(x), ica.transform(rows) * lengths, atol=1e-8)


def test_a_loaded_dictionary_states_its_site(rows, tmp_path):
    metadata = {"model": "gpt2", "hook_point": "mlp_out.5"}
    save_dictionary(fit(rows, "topk"), tmp_path / "sae", format="saelens", metadata=metadata)
    loaded = load_dictionary(tmp_path / "sae")
    assert type(loaded) is PretrainedDictionary
    cfg = to_saebench(loaded, device="cpu").cfg
    assert (cfg.model_name, cfg.hook_name, cfg.hook_layer) == ("gpt2", "blocks.5.hook_mlp_out", 5)
    loaded.row_norm_ = "layer_norm"
    with pytest.raises(ValueError, match="normalises each row"):
        to_saebench(loaded, device="cpu")


def test_what_the_benchmark_cannot_hold_is_refused(rows):
    with pytest.raises(ValueError, match="SparseTranscoder predicts other rows"):
        adapt(SparseTranscoder(M, max_iter=1, random_state=0).fit(rows, rows))
    solved = MiniBatchDictionaryLearning(4, max_iter=2, random_state=0).fit(rows)
    with pytest.raises(TypeError, match="has no encoder matrix"):
        adapt(solved)
    sae = fit(rows, "relu")
    with pytest.raises(ValueError, match="model_name=None; pass the name"):
        adapt(sae, model_name=None)
    for name in (None, "transformer.wte", 3):
        with pytest.raises(ValueError, match="has no name in TransformerLens; pass one such as"):
            adapt(sae, hook_point=name)
    assert adapt(sae, hook_point="blocks.2.ln2.hook_normalized").cfg.hook_layer == 2
