"""Rows are those of the model as it was asked for: its precision, and where its modules run."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from skdict import ActivationExtractor, load_stories
from skdict.feature_extraction import _extraction, extract_activations
from skdict.models import fingerprint, hook_points, load_model

TEXT = "Lily saw a big red dog in the park. It was happy."
TEXTS = [TEXT, "Tom ran.", "She said hello to the cat and went home."]


@pytest.fixture(scope="module")
def folder():
    return load_stories().model


@pytest.fixture
def needs_accelerate():
    pytest.importorskip("accelerate", reason="needs the extra gguf: pip install 'skdict[gguf]'")


def hooked(folder, dtype):
    """Return what a hook of our own reads after block 2 of a model in a precision."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    ids = torch.tensor([AutoTokenizer.from_pretrained(folder)(TEXT)["input_ids"]])
    seen = []
    model.model.layers[2].register_forward_hook(lambda module, args, output: seen.append(output))
    with torch.no_grad():
        model(ids, attention_mask=torch.ones_like(ids))
    output = seen[0][0] if isinstance(seen[0], tuple) else seen[0]
    return output.reshape(ids.shape[1], -1)[1:]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_rows_are_those_of_a_model_of_this_precision(folder, dtype):
    expected = hooked(folder, getattr(torch, dtype))
    assert expected.dtype == getattr(torch, dtype)
    acts = ActivationExtractor(folder, "resid_post.2", model_dtype=dtype).fit_transform([TEXT])
    assert acts.dtype == np.float32
    np.testing.assert_array_equal(np.asarray(acts), expected.float().numpy())


def test_places_of_half_precision_are_verified_and_read(folder):
    names = ["mlp_out.1", "attn_out.1", "resid_post.1"]
    narrow = extract_activations(folder, names, TEXTS, model_dtype="bfloat16")
    wide = extract_activations(folder, names, TEXTS)
    for name in names:
        scale = np.abs(np.asarray(wide[name])).max()
        np.testing.assert_allclose(
            np.asarray(narrow[name]), np.asarray(wide[name]), atol=0.02 * scale
        )
        assert not np.array_equal(np.asarray(narrow[name]), np.asarray(wide[name]))


def test_precisions_are_not_mixed_in_a_cache(folder, tmp_path):
    options = {"model": folder, "hook_point": "resid_post.1"}
    ActivationExtractor(**options, cache_dir=tmp_path).transform(TEXTS)
    kept = ActivationExtractor(**options, cache_dir=tmp_path, model_dtype="bfloat16")
    fresh = ActivationExtractor(**options, model_dtype="bfloat16")
    np.testing.assert_array_equal(
        np.asarray(kept.transform(TEXTS)), np.asarray(fresh.transform(TEXTS))
    )


@pytest.mark.usefixtures("needs_accelerate")
def test_rows_do_not_depend_on_the_device_map(folder):
    model = AutoModelForCausalLM.from_pretrained(folder)
    names = hook_points(model)
    expected = extract_activations(folder, names, TEXTS, device="cpu")
    inner = {f"model.{name}": "cpu" for name, _ in model.model.named_children()}
    offloaded = inner | {"model.embed_tokens": "disk", "model.layers": "disk", "lm_head": "disk"}
    for device_map in ({"": "cpu"}, offloaded):
        found = extract_activations(folder, names, TEXTS, device_map=device_map)
        for name in names:
            np.testing.assert_array_equal(np.asarray(found[name]), np.asarray(expected[name]))
    extractor = ActivationExtractor(folder, names[0], device_map="auto")
    assert extractor.fit_transform(TEXTS).shape == expected[names[0]].shape


@pytest.mark.usefixtures("needs_accelerate")
def test_rows_of_offloaded_weights_are_cached_by_their_values(folder, tmp_path, monkeypatch):
    options = {"hook_point": "resid_post.1", "cache_dir": tmp_path}
    plain = ActivationExtractor(folder, "resid_post.1", device="cpu").transform(TEXTS)
    places = {"model": "disk", "lm_head": "disk"}
    extractor = ActivationExtractor(folder, device_map=places, **options)
    for _ in range(2):
        np.testing.assert_array_equal(np.asarray(extractor.transform(TEXTS)), np.asarray(plain))
        # The second time nothing is run.
        monkeypatch.setattr(_extraction.Reading, "_gather", None)


@pytest.mark.usefixtures("needs_accelerate")
def test_offloaded_weights_have_the_hash_of_their_values(folder):
    places = {"model": "disk", "lm_head": "disk"}
    offloaded, _ = load_model(folder, device_map=places)
    assert next(offloaded.parameters()).is_meta
    before = fingerprint(offloaded)
    hook = offloaded.model.layers[0].mlp.up_proj._hf_hook
    weight = hook.weights_map["weight"]
    doubled = {"weight": 2 * weight}
    kept, hook.weights_map = hook.weights_map, doubled
    try:
        assert fingerprint(offloaded) != before
    finally:
        hook.weights_map = kept
    assert fingerprint(offloaded) == before


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"model_dtype": "int8"}, ValueError, "model_dtype='int8' is not accepted"),
        ({"device_map": "cuda"}, ValueError, "device_map='cuda' is not accepted"),
        ({"device_map": ["cpu"]}, TypeError, r"device_map=\['cpu'\] is not accepted"),
        ({"device_map": "auto", "device": "cpu"}, ValueError, "both say where the model runs"),
    ],
)
def test_bad_parameters(folder, options, error, message):
    extractor = ActivationExtractor(folder, "resid_post.0", **options)
    with pytest.raises(error, match=message):
        extractor.fit(TEXTS)


@pytest.mark.parametrize("options", [{"model_dtype": "bfloat16"}, {"device_map": "auto"}])
def test_a_loaded_model_is_used_as_it_is(tiny_model, byte_tokenizer, options, needs_accelerate):
    pair = tiny_model, byte_tokenizer
    with pytest.raises(ValueError, match="an already loaded .*; load it with that option yourself"):
        ActivationExtractor(pair, "resid_post.0", **options).fit(TEXTS)
    half = tiny_model.to(torch.bfloat16)
    try:
        acts = ActivationExtractor((half, byte_tokenizer), "resid_post.0").transform(TEXTS)
    finally:
        tiny_model.to(torch.float32)
    assert acts.dtype == np.float32


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize(("dtype", "close"), [("float32", 1e-3), ("bfloat16", 0.1)])
def test_rows_read_on_a_gpu_are_those_of_the_cpu(folder, dtype, close):
    on_cpu, on_gpu = (
        ActivationExtractor(folder, "resid_post.2", model_dtype=dtype, device=device).fit_transform(
            TEXTS
        )
        for device in ("cpu", "cuda")
    )
    assert on_gpu.token_ids.tolist() == on_cpu.token_ids.tolist()
    rows = np.asarray(on_cpu)
    np.testing.assert_allclose(np.asarray(on_gpu), rows, atol=close * np.abs(rows).max())
