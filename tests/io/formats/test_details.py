"""Rules of single families: norms, thresholds, settings that decide, and what is refused."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from skdict.io import load_dictionary
from tests.io.formats.layouts import (
    circuit_tracer,
    dictionary_learning,
    e2e_sae,
    gemma_scope,
    gemma_scope_2,
    goodfire,
    llama_scope,
    llamascopium,
    openai,
    qwen_scope,
    saelens,
    sparsify,
)
from tests.io.formats.layouts._common import D, N, change_json, jump, saved, wide, write_json


@pytest.fixture
def rows():
    return np.random.default_rng(3).standard_normal((100, D)) * 1.5 + 0.5


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sae"


def refused(path, match, error=ValueError, **options):
    with pytest.raises(error, match=match):
        load_dictionary(path, **options)


@pytest.mark.parametrize("family", [gemma_scope, gemma_scope_2, circuit_tracer, saelens])
def test_codes_at_the_threshold_are_zero(family, folder):
    options = {circuit_tracer: {"activation": "jumprelu"}, saelens: {"architecture": "jumprelu"}}
    layout = family(folder, np.float64, **options.get(family, {}))
    values = {"bias": np.zeros(N), "enc": np.eye(D, N), "threshold": np.ones(N)}
    changes = {}
    for name, array in layout.tensors.items():
        lower = name.lower()
        if "threshold" in lower:
            changes[name] = values["threshold"]
        elif lower.startswith("b_"):
            changes[name] = np.zeros_like(array)
        elif "enc" in lower:
            changes[name] = values["enc"] if array.shape == (D, N) else values["enc"].T
        elif "dec" in lower:
            changes[name] = np.eye(N, D)
    dictionary = load_dictionary(saved(layout, **changes).path)
    x = np.stack([np.ones(D), np.full(D, np.nextafter(1, 2))])
    codes = dictionary.transform(x).toarray()
    assert not codes[0].any()
    np.testing.assert_array_equal(codes[1, :D], x[1])


@pytest.mark.parametrize("kind", ["layer_norm", "constant_norm_rescale"])
def test_saelens_normalises_rows_before_the_bias_is_subtracted(kind, rows, folder):
    layout = saved(saelens(folder, np.float64, normalize_activations=kind))
    t = wide(layout.tensors)
    if kind == "layer_norm":
        shift, scale = rows.mean(axis=1, keepdims=True), rows.std(axis=1, keepdims=True, ddof=1)
        u = (rows - shift) / (scale + 1e-5)
    else:
        shift, scale = 0, np.linalg.norm(rows, axis=1, keepdims=True) / np.sqrt(D)
        u = rows / scale
    codes = np.maximum((u - t["b_dec"]) @ t["W_enc"] + t["b_enc"], 0)
    rebuilt = (codes @ t["W_dec"] + t["b_dec"]) * scale + shift
    dictionary = load_dictionary(layout.path)
    ours = dictionary.transform(rows)
    np.testing.assert_allclose(dictionary.inverse_transform(ours, rows), rebuilt, atol=1e-10)
    published = ours.toarray() / dictionary.code_gains_
    np.testing.assert_allclose(published, codes, atol=1e-10)


@pytest.mark.parametrize("architecture", ["standard", "batchtopk"])
def test_saelens_checkpoints_have_their_factor_beside_them(architecture, rows, folder):
    normalizes = {"normalize_activations": "expected_average_only_in"}
    layout = saved(saelens(folder, np.float64, architecture, **normalizes))
    write_json(folder / "activation_scaler.json", {"scaling_factor": 2.5})
    dictionary = load_dictionary(layout.path)
    rebuilt = dictionary.inverse_transform(dictionary.transform(rows))
    np.testing.assert_allclose(rebuilt, layout.predict(2.5 * rows) / 2.5, atol=1e-10)
    write_json(folder / "activation_scaler.json", {"scaling_factor": -1})
    refused(layout.path, "scaling_factor=-1, but a positive number")


def test_saelens_before_version_6_scaled_codes_by_a_finetuning(rows, folder):
    layout = saelens(folder, np.float64, metadata=None, hook_point="blocks.9.hook_mlp_out")
    factors = np.linspace(0.5, 2, N)
    dictionary = load_dictionary(saved(layout, scaling_factor=factors).path)
    expected = (layout.encode(rows) * factors) @ layout.decoder + layout.tensors["b_dec"]
    np.testing.assert_allclose(
        dictionary.inverse_transform(dictionary.transform(rows)), expected, atol=1e-10
    )
    assert dictionary.metadata_["hook_point"] == "mlp_out.9"
    refused(saved(layout, scaling_factor=factors[:3]).path, r"scaling_factor of shape \(3,\)")


def test_saelens_transcoders_state_where_they_write(folder):
    metadata = {
        "sae_lens_version": "6.1.0",
        "hook_name": "blocks.9.mlp.hook_in",
        "hook_name_out": "blocks.9.hook_mlp_out",
    }
    layout = saelens(folder, np.float64, "transcoder", metadata=metadata)
    stated = load_dictionary(saved(layout).path).metadata_
    assert (stated["hook_point"], stated["target_hook_point"]) == ("mlp_in.9", "mlp_out.9")
    change_json(folder / "cfg.json", normalize_activations="layer_norm")
    refused(folder, "only 'none' is supported for transcoders")


@pytest.mark.parametrize("name", ["BatchTopKSAE", "MatryoshkaBatchTopKSAE"])
def test_dictionary_learning_without_a_threshold_warns_and_keeps_all(name, rows, folder):
    layout = dictionary_learning(folder, np.float64, name)
    saved(layout, threshold=np.array(-1, np.float32))
    with pytest.warns(UserWarning, match="has no threshold yet .* L0 is far above k"):
        dictionary = load_dictionary(layout.path)
    plain = load_dictionary(saved(layout, threshold=np.array(0, np.float32)).path)
    codes = dictionary.transform(rows).toarray()
    np.testing.assert_array_equal(codes, plain.transform(rows).toarray())
    assert (codes != 0).mean() > 0.3


def test_dictionary_learning_names_the_class_in_the_settings_or_the_path(rows, folder):
    layout = saved(dictionary_learning(folder, np.float64, "AutoEncoderTopK"))
    config = layout.path / "config.json"
    change_json(config, trainer={"dict_class": "BatchTopKSAE"})
    thresholded = load_dictionary(layout.path)
    assert not hasattr(thresholded, "k_") and (thresholded.thresholds_ > 0).all()
    change_json(config, trainer={"dict_class": "GatedAutoEncoder"})
    refused(layout.path, "states dict_class='GatedAutoEncoder'; accepted: AutoEncoder")
    config.unlink()
    refused(layout.path, "do not determine its class; .* names TopK or BatchTopK")
    for name, attribute in (("x_TopKTrainer_y", "k_"), ("batch_top_k_1", "thresholds_")):
        moved = layout.path.rename(layout.path.with_name(name))
        layout.path = moved
        assert hasattr(load_dictionary(moved), attribute)


def test_dictionary_learning_scales_an_interrupted_run(rows, folder):
    layout = dictionary_learning(folder, np.float64, "BatchTopKSAE")
    inside = {k: torch.from_numpy(np.array(v)) for k, v in layout.tensors.items()}
    state = {"step": 5, "ae": inside, "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}}
    path = layout.path / "ae.pt"
    torch.save(state | {"norm_factor": 3.0, "config": {"lr": 1e-3}}, path)
    dictionary = load_dictionary(layout.path)
    t = wide(layout.tensors)
    pre = (rows - 3 * t["b_dec"]) @ t["encoder.weight"].T + 3 * t["encoder.bias"]
    codes = jump(pre, 3 * np.float64(np.float32(0.6)))
    rebuilt = codes @ t["decoder.weight"].T + 3 * t["b_dec"]
    ours = dictionary.inverse_transform(dictionary.transform(rows))
    np.testing.assert_allclose(ours, rebuilt, atol=1e-6)


@pytest.mark.parametrize(
    ("trainer", "buffer", "hook_point"),
    [
        ({"layer": 3}, {"io": "out"}, "resid_post.3"),
        ({"layer": 3, "submodule_name": "mlp_out_layer_3"}, {}, "mlp_out.3"),
        ({"submodule_name": "resid_post_layer_7"}, {}, "resid_post.7"),
        ({"submodule_name": "gpt_neox.layers.4.mlp", "lm_name": "pythia"}, {}, "mlp_out.4"),
        ({"layer": 3, "submodule_name": "some.mlp"}, {"io": "in"}, "some.mlp"),
        ({}, {}, None),
    ],
)
def test_dictionary_learning_states_its_site_in_several_ways(trainer, buffer, hook_point, folder):
    layout = saved(dictionary_learning(folder, np.float64))
    trainer = {"dict_class": "AutoEncoder"} | trainer
    write_json(layout.path / "config.json", {"trainer": trainer, "buffer": buffer})
    assert load_dictionary(layout.path).metadata_["hook_point"] == hook_point


def test_sparsify_sites_and_refusals(folder):
    layout = saved(sparsify(folder, np.float64, transcode=True))
    stated = load_dictionary(layout.path).metadata_
    assert (stated["hook_point"], stated["target_hook_point"]) == ("mlp_in.3", "mlp_out.3")
    assert stated["model"] == "HuggingFaceTB/SmolLM2-135M"
    run = layout.path.parent / "config.json"
    change_json(run, model="google/gemma-2-2b")
    assert load_dictionary(layout.path).metadata_["target_hook_point"] == "layers.3.mlp"
    config = layout.path / "cfg.json"
    change_json(config, num_latents=N + 1)
    refused(layout.path, r"encoder.weight of shape \(10, 6\) but its cfg.json requires \(11, 6\)")
    change_json(config, num_latents=None, k=0)
    refused(layout.path, "has k=0; set it .* from 1 to 10")
    change_json(config, k=2, activation="groupmax")
    refused(layout.path, "groupmax keeps the maximum of each group")
    change_json(config, activation="topk", n_targets=4)
    refused(layout.path, "cross-layer transcoder of the fork clt-training")
    change_json(config, n_targets=..., transcode=False)
    saved(layout, W_skip=np.zeros((D, D)))
    refused(layout.path, "skip connection but does not predict other rows")
    saved(layout)
    load_dictionary(layout.path)
    torch.save({"layers.3": torch.ones(())}, layout.path.parent / "scaling_factors.pt")
    refused(layout.path, "belongs to the fork group-sae")


def test_gemma_scope_states_its_site_in_the_path(folder):
    stated = load_dictionary(saved(gemma_scope(folder, np.float32)).path).metadata_
    assert stated["model"] == "google/gemma-2-2b"
    assert (stated["hook_point"], stated["l0"]) == ("resid_post.9", 73)
    site = "gemma-scope-9b-it-att"
    stated = load_dictionary(saved(gemma_scope(folder, np.float32, site)).path).metadata_
    assert (stated["model"], stated["hook_point"]) == ("google/gemma-2-9b-it", "attn_heads.9")
    site = "gemma-scope-2b-pt-transcoders"
    stated = load_dictionary(saved(gemma_scope(folder, np.float32, site)).path).metadata_
    assert stated["hook_point"] == "blocks.9.ln2.hook_normalized"
    assert stated["target_hook_point"] == "mlp_out.9"


def test_gemma_scope_without_the_repository_must_be_named(folder):
    layout = saved(gemma_scope(folder, np.float32, "downloads"))
    refused(layout.path, "of a dictionary or of a transcoder; .* format='gemma_scope_transcoder'")
    kinds = "gemma_scope", "gemma_scope_transcoder"
    names = [type(load_dictionary(layout.path, format=kind)).__name__ for kind in kinds]
    assert names == ["PretrainedDictionary", "PretrainedTranscoder"]


def test_gemma_scope_2_sites_and_refusals(folder):
    layout = saved(gemma_scope_2(folder, np.float32))
    stated = load_dictionary(layout.path).metadata_
    assert (stated["model"], stated["hook_point"]) == ("google/gemma-3-270m", "resid_post.9")
    by_path = saved(gemma_scope_2(folder, np.float32, "attn_out_all", config=False))
    assert load_dictionary(by_path.path).metadata_["hook_point"] == "attn_heads.9"
    layout = saved(gemma_scope_2(folder, np.float32, "transcoder", skip=True))
    stated = load_dictionary(layout.path).metadata_
    assert (stated["hook_point"], stated["target_hook_point"]) == ("mlp_in.9", "mlp_out.9")
    config = layout.path / "config.json"
    change_json(config, type="clt")
    refused(layout.path, "type='clt': its features read or write several layers")
    change_json(config, type="sae", architecture="topk")
    refused(layout.path, "architecture='topk', which is not supported; accepted: 'jump_relu'")
    change_json(config, architecture="jump_relu", hf_hook_point_out=...)
    refused(layout.path, "affine skip connection but is not stated to be a transcoder")
    config.unlink()
    moved = layout.path.rename(folder / "downloads")
    refused(moved, "does not state what it was trained on; keep its config.json")


def test_openai_layers_and_activations(folder):
    layout = saved(openai(folder, np.float32))
    assert load_dictionary(layout.path).metadata_["hook_point"] == "resid_post.8"
    layout = saved(openai(folder, np.float32, activation="GELU"))
    refused(layout.path, "activation='GELU' .* accepted: 'ReLU', and 'TopK' with 'ReLU'")


def test_llama_scope_refusals(folder):
    layout = saved(llama_scope(folder, np.float32))
    assert load_dictionary(layout.path).metadata_["l0"] == 50
    config = folder / "hyperparams.json"
    for change, match in (
        ({"act_fn": "topk"}, "act_fn='topk', which is not supported; accepted: 'jumprelu'"),
        ({"norm_activation": "token-wise"}, "norm_activation='token-wise'"),
        ({"use_glu_encoder": True}, r"gated linear unit \(GLU\)"),
        ({"dataset_average_activation_norm": {"in": 0, "out": 1}}, "has in=0, but a positive"),
        ({"jump_relu_threshold": "low"}, "jump_relu_threshold='low', but int or float"),
    ):
        saved(llama_scope(folder, np.float32))
        change_json(config, **change)
        refused(folder, match)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"use_glu_encoder": True}, r"gated encoder \(GLU\)"),
        ({"sae_type": "clt"}, "sae_type='clt', .* cross-layer transcoder"),
        ({"sae_type": "crosscoder"}, "read and write several hook points"),
        ({"act_fn": "batchtopk"}, "selects codes in a batch and has no threshold"),
        ({"act_fn": "gelu"}, "act_fn='gelu', .* accepted: 'relu', 'topk', 'jumprelu'"),
        ({"norm_activation": "batch-wise"}, "depend on other rows or on the targets"),
        ({"d_model": 7}, r"W_E of shape \(6, 10\) but its config.json requires \(7, 10\)"),
        ({"sparsity_include_decoder_norm": "yes"}, "'yes', but bool is expected"),
    ],
)
def test_llamascopium_refusals(change, match, folder):
    saved(llamascopium(folder, np.float32))
    change_json(folder / "config.json", **change)
    refused(folder, match)


def test_llamascopium_tensors_of_other_types(folder):
    layout = llamascopium(folder, np.float32)
    whole = layout.tensors["W_E"]
    refused(saved(layout, W_E=np.stack([whole, whole])).path, "sae_type='crosscoder'")
    split = {"W_D": None, "W_D.0": layout.tensors["W_D"][None]}
    refused(saved(layout, **split).path, "sae_type='clt'")
    refused(saved(layout, W_E_glu=whole).path, "GLU")
    norm = "dataset_average_activation_norm.blocks.9.hook_mlp_out"
    refused(saved(layout, **{norm: None}).path, f"has {norm} of shape None")
    refused(saved(layout, **{norm: np.array(-1.0)}).path, "=-1.0, but a positive number")


def test_llamascopium_warns_of_thresholds_that_are_not_folded(folder):
    layout = saved(llamascopium(folder, np.float32, norm="inference"))
    with pytest.warns(UserWarning, match="but not into thresholds; compare the L0"):
        load_dictionary(layout.path)


def test_names_of_files_state_model_and_layer(folder):
    stated = load_dictionary(saved(goodfire(folder, np.float32)).path).metadata_
    model = "meta-llama/Llama-3.1-8B-Instruct"
    assert (stated["model"], stated["hook_point"]) == (model, "resid_post.19")
    layout = saved(qwen_scope(folder, np.float32))
    stated = load_dictionary(layout.path).metadata_
    assert (stated["model"], stated["hook_point"]) == ("Qwen/Qwen3-1.7B-Base", "resid_post.7")
    assert stated["l0"] == 3
    moved = layout.path.rename(folder / "downloads")
    refused(moved, "keep the repository's name in the path")


def test_layers_of_a_set_are_listed_in_natural_order(rows, folder):
    layout = saved(circuit_tracer(folder, np.float64))
    first = folder / "layer_9.safetensors"
    for layer in (10, 2, 0):
        (folder / f"layer_{layer}.safetensors").write_bytes(first.read_bytes())
    listed = ", ".join(f"layer_{layer}.safetensors" for layer in (0, 2, 9, 10))
    refused(folder, f"holds 4 dictionaries: {listed}; pass the path of one")
    for given in ((folder, "layer_10.safetensors"), (folder / "layer_10.safetensors", None)):
        transcoder = load_dictionary(given[0], subfolder=given[1])
        assert transcoder.metadata_["hook_point"] == "mlp_in.10"
        assert transcoder.metadata_["model"] == "Qwen/Qwen3-4B"
        np.testing.assert_allclose(transcoder.predict(rows), layout.predict(rows), atol=1e-10)


def test_sets_of_cross_layer_transcoders_are_refused(folder):
    saved(circuit_tracer(folder, np.float32))
    (folder / "config.yaml").write_text("model_kind: cross_layer_transcoder\n")
    refused(folder, "features of a cross-layer transcoder write to several layers")
    (folder / "config.yaml").write_text("activation: gelu\n")
    refused(folder, "activation='gelu', which is not supported; accepted: 'relu', 'topk'")


def test_one_of_several_hooks_is_selected(rows, folder):
    layout = e2e_sae(folder, np.float64)
    others = {name.replace("6", "10"): 2 * array for name, array in layout.tensors.items()}
    layout.save(layout.tensors | others)
    refused(folder, "holds dictionaries of resid_pre.6, resid_pre.10; pass one of these as hook_p")
    for hook_point in ("resid_pre.6", "blocks.6.hook_resid_pre"):
        dictionary = load_dictionary(folder, hook_point=hook_point)
        rebuilt = dictionary.inverse_transform(dictionary.transform(rows))
        np.testing.assert_allclose(rebuilt, layout.predict(rows), atol=1e-10)
    assert dictionary.metadata_["model"] == "gpt2-small"


def empty(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"x": np.zeros(1, np.float32)}, path)


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (
            ["W_enc_0.safetensors", "W_dec_0.safetensors"],
            "cross-layer transcoder of circuit-tracer",
        ),
        (["params_layer_0.safetensors"], "cross-layer transcoder or crosscoder of Gemma Scope 2"),
        (["latest_ckpt.safetensors", "conf.yaml"], "temporal dictionary"),
        (["model.safetensors", "config.json"], "crosscoder_learning of a class .* not supported"),
        (["trainer_state.pt"], "state of a training run"),
        (["checkpoints/final.dcp"], r"distributed checkpoint \(\.dcp\)"),
        (["config.yaml"], "lists its transcoders in other repositories"),
    ],
)
def test_other_kinds_of_files_are_refused_by_name(names, match, folder):
    for name in names:
        empty(folder / name)
    if "config.json" in names:
        write_json(folder / "config.json", {"dict_class": "HeterogeneousCrossCoder"})
    if "config.yaml" in names:
        (folder / "config.yaml").write_text("transcoders: ['hf://a/b/layer_0.safetensors']\n")
    refused(folder, match)


def test_unknown_folders_list_what_they_hold(folder):
    empty(folder / "weights_10.safetensors")
    empty(folder / "weights_9.safetensors")
    match = "contains weights_9.safetensors, weights_10.safetensors, but none of these: .*SAELens"
    refused(folder, match, FileNotFoundError)
    refused(folder, "pass one of its files", FileNotFoundError)
    refused(
        folder,
        r"but none of these: cfg.json with sae.safetensors \(sp",
        FileNotFoundError,
        format="sparsify",
    )
    refused(folder, "pass one of 'auto', 'skdict', 'saelens'", format="pickle")
    refused(folder / "nothing", "does not exist; pass a folder or file", FileNotFoundError)
    refused(3, "source is int", TypeError)
    refused(folder, "hook_point=3 is not accepted", TypeError, hook_point=3)
