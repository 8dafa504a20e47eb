"""Precision and devices of loaded models are those asked for, or refused."""

import importlib.util

import pytest
import torch
from transformers import AutoModelForCausalLM

from skdict import load_stories
from skdict.models import input_device, load_model

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder():
    return load_stories().model


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_precision_is_that_asked_for(folder, dtype):
    model, _ = load_model(folder, model_dtype=dtype)
    plain = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    assert {weight.dtype for weight in model.parameters()} == {getattr(torch, dtype)}
    for name, weight in plain.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight)


def test_auto_is_the_precision_of_the_files(folder, tmp_path):
    model, tokenizer = load_model(folder, model_dtype="bfloat16")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert load_model(tmp_path, model_dtype="auto")[0].dtype == torch.bfloat16
    assert load_model(tmp_path)[0].dtype == torch.float32
    # The bundled model takes half the space that way.
    assert load_model(folder, model_dtype="auto")[0].dtype == torch.float16


def test_precisions_are_kept_apart(folder):
    wide, narrow = (load_model(folder, model_dtype=name)[0] for name in ("float32", "bfloat16"))
    assert wide is not narrow
    assert load_model(folder)[0] is wide


@pytest.mark.parametrize("device_map", ["auto", {"": "cpu"}])
def test_a_device_map_places_the_model(folder, device_map):
    pytest.importorskip("accelerate", reason="needs the extra gguf: pip install 'skdict[gguf]'")
    model, _ = load_model(folder, device_map=device_map)
    assert load_model(folder, device_map=device_map)[0] is model
    assert input_device(model) == next(model.parameters()).device


def test_token_ids_go_where_the_embedding_runs(folder):
    pytest.importorskip("accelerate", reason="needs the extra gguf: pip install 'skdict[gguf]'")
    names = [name for name, _ in load_model(folder)[0].model.named_children()]
    places = {f"model.{name}": "cpu" for name in names} | {"lm_head": "cpu"}
    offloaded = {"model.embed_tokens": "disk", "lm_head": "disk"}
    model, _ = load_model(folder, device_map=places | offloaded)
    assert model.get_input_embeddings().weight.device.type == "meta"
    assert input_device(model) == CPU


def test_a_module_without_weights_is_on_the_cpu():
    assert input_device(torch.nn.Identity()) == CPU


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"model_dtype": "float16"}, ValueError, "'auto', 'float32', 'bfloat16'"),
        ({"model_dtype": torch.bfloat16}, ValueError, "model_dtype=torch.bfloat16"),
        ({"device_map": "cpu"}, ValueError, "device_map='cpu' .* pass None, 'auto', or a dict"),
        ({"device_map": {}}, ValueError, r"device_map=\{\} is not accepted"),
        ({"device_map": 0}, TypeError, "device_map=0 is not accepted"),
        ({"device_map": "auto", "device": CPU}, ValueError, "'cpu' and device_map='auto' both"),
        ({"device_map": {"": "nowhere"}}, ValueError, "with device_map={'': 'nowhere'}"),
    ],
)
def test_bad_options(folder, options, error, message):
    pytest.importorskip("accelerate", reason="needs the extra gguf: pip install 'skdict[gguf]'")
    with pytest.raises(error, match=message):
        load_model(folder, **options)


@pytest.mark.parametrize("options", [{"model_dtype": "bfloat16"}, {"device_map": {"": "cpu"}}])
def test_a_loaded_pair_is_used_as_it_is(tiny_model, byte_tokenizer, options):
    (name,) = options
    message = f"{name}=.*applies to models given by name.* loaded {type(tiny_model).__name__}"
    with pytest.raises(ValueError, match=message):
        load_model((tiny_model, byte_tokenizer), **options)


def test_a_device_map_needs_accelerate(folder, monkeypatch):
    plain = importlib.util.find_spec
    monkeypatch.setattr(
        "skdict.models._placement.find_spec",
        lambda name: None if name == "accelerate" else plain(name),
    )
    with pytest.raises(ImportError, match=r"accelerate; install it with .*'skdict\[gguf\]'"):
        load_model(folder, device_map="auto")
