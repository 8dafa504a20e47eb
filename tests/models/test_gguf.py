"""A GGUF file is a model like any other, wherever a model is accepted."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from skdict import ActivationExtractor, IdentityDictionary, load_stories
from skdict._cli._reading import _middle_hook_point
from skdict.evaluation import loss_recovered
from skdict.feature_extraction import FeatureVectorizer, extract_activations
from skdict.interpretation import reinitialize_model
from skdict.interpretation.llm import Request, TransformersClient
from skdict.interventions import Ablate, intervene
from skdict.models import describe_model, hook_points, load_model
from tests.tiny_gguf import tiny_llama, write_gguf

pytest.importorskip("gguf", reason="needs the extra gguf: pip install 'skdict[gguf]'")
pytest.importorskip("accelerate", reason="needs the extra gguf: pip install 'skdict[gguf]'")

TEXTS = ["abcdefgh", "hello there, world", "Tom ran.", "cab"]


@pytest.fixture(scope="module")
def model():
    return tiny_llama()


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path, model)
    return path


def loaded_with(model, weights):
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    return model


def logits(model, ids):
    with torch.no_grad():
        return model(ids).logits


def test_rows_are_those_of_the_same_weights_in_a_folder(path, model, tmp_path):
    model.save_pretrained(tmp_path)
    load_model(path)[1].save_pretrained(tmp_path)
    names = hook_points(model)
    from_file = extract_activations(path, names, TEXTS)
    from_folder = extract_activations(tmp_path, names, TEXTS)
    for name in names:
        np.testing.assert_array_equal(np.asarray(from_file[name]), np.asarray(from_folder[name]))
        np.testing.assert_array_equal(from_file[name].token_ids, from_folder[name].token_ids)


def test_rows_are_what_a_hook_reads(path, model):
    acts = ActivationExtractor(str(path), "mlp_out.1").fit_transform(["cab ran"])
    assert acts.token_ids.tolist() == load_model(path)[1]("cab ran")["input_ids"][1:]
    assert str(acts.context(0)) == "[ab] ran"
    seen = []
    handle = model.model.layers[1].mlp.register_forward_hook(lambda m, a, out: seen.append(out))
    logits(model, torch.tensor([load_model(path)[1]("cab ran")["input_ids"]]))
    handle.remove()
    np.testing.assert_allclose(np.asarray(acts), seen[0][0, 1:].numpy(), atol=1e-6)
    assert acts.metadata["model"] == describe_model(path) == str(path)


@pytest.mark.parametrize(
    ("kind", "stored"),
    [("F16", torch.float16), ("BF16", torch.bfloat16), ("Q8_0", torch.float32)],
)
def test_weights_are_those_of_the_file(tmp_path, kind, stored):
    # Blocks of Q8_0 are 32 wide.
    model = tiny_llama() if kind != "Q8_0" else wide_llama()
    path = tmp_path / "tiny.gguf"
    expected = write_gguf(path, model, kind)
    found, _ = load_model(path)
    assert found.dtype == torch.float32
    for name, weight in found.state_dict().items():
        np.testing.assert_array_equal(weight.numpy(), expected[name])
    assert load_model(path, model_dtype="auto")[0].dtype == stored
    narrow, _ = load_model(path, model_dtype="bfloat16")
    for name, weight in narrow.state_dict().items():
        assert torch.equal(weight, torch.from_numpy(expected[name]).bfloat16())


def wide_llama():
    config = tiny_llama().config
    config.hidden_size, config.intermediate_size, config.head_dim = 32, 64, 16
    return AutoModelForCausalLM.from_config(config).eval()


def test_a_model_can_be_saved_and_drawn_anew(path, model, tmp_path):
    loaded, tokenizer = load_model(path)
    loaded.save_pretrained(tmp_path)
    again = AutoModelForCausalLM.from_pretrained(tmp_path)
    ids = torch.tensor([[5, 9, 2, 7]])
    torch.testing.assert_close(logits(again, ids), logits(model, ids), rtol=0, atol=0)
    fresh, same = reinitialize_model(path)
    assert same is tokenizer
    assert type(fresh) is type(loaded)
    assert not torch.equal(fresh.lm_head.weight, loaded.lm_head.weight)


def test_a_file_is_loaded_once_and_again_when_it_changes(tmp_path):
    path = tmp_path / "tiny.gguf"
    model = tiny_llama()
    write_gguf(path, model)
    first, _ = load_model(path)
    assert load_model(str(path))[0] is first
    with torch.no_grad():
        model.model.norm.weight.mul_(2)
    write_gguf(path, model)
    second, _ = load_model(path)
    torch.testing.assert_close(second.model.norm.weight, model.model.norm.weight)


def test_other_files_of_the_folder_are_not_read(path, tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        shutil.copy(Path(load_stories().model) / name, tmp_path)
    copy = shutil.copy(path, tmp_path)
    model, tokenizer = load_model(copy)
    assert len(tokenizer) == model.config.vocab_size == load_model(path)[0].config.vocab_size
    assert tokenizer(TEXTS)["input_ids"] == load_model(path)[1](TEXTS)["input_ids"]


def test_a_path_from_here_will_do(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    model, _ = load_model(path.name)
    torch.testing.assert_close(model.lm_head.weight, load_model(path)[0].lm_head.weight)


def test_rows_are_kept_by_content(path, tmp_path):
    extractor = ActivationExtractor(path, "resid_post.1", cache_dir=tmp_path)
    first = extractor.transform(TEXTS)
    np.testing.assert_array_equal(np.asarray(extractor.transform(TEXTS)), np.asarray(first))
    assert len(list(tmp_path.rglob("*.npy"))) == len(TEXTS)


def test_whatever_takes_a_model_takes_a_file(path):
    assert _middle_hook_point(ActivationExtractor(str(path), None)) == "resid_post.1"
    extractor = ActivationExtractor(path, "resid_post.1")
    acts = extractor.transform(TEXTS)
    identity = IdentityDictionary().fit(acts)
    assert FeatureVectorizer(extractor, identity).fit_transform(TEXTS).shape == (4, 16)
    with intervene(path, "resid_post.1", identity, Ablate([0])):
        model, _ = load_model(path)
        changed = logits(model, torch.tensor([[5, 9, 2]]))
    assert not torch.equal(changed, logits(model, torch.tensor([[5, 9, 2]])))
    loss = loss_recovered(path, "resid_post.1", identity, TEXTS)
    assert abs(loss.cross_entropy_increase) < 1e-4
    client = TransformersClient(path)
    assert client.complete(Request((("user", "Tom"),), max_tokens=1)).n_reply_tokens <= 1


@pytest.mark.parametrize("n_bytes", [4, 30, 1000, 9000, -10])
def test_a_damaged_file(path, tmp_path, n_bytes):
    damaged = tmp_path / "tiny.gguf"
    damaged.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(ValueError, match="could not be loaded .*; pass the name"):
        load_model(damaged)


def test_a_file_that_lacks_weights(model, tmp_path):
    part = tmp_path / "tiny-00001-of-00002.gguf"
    write_gguf(part, model, leave_out=["model.layers.2.mlp.up_proj.weight"])
    with pytest.raises(ValueError, match=r"lacks 1 weights .*layers\.2\.mlp\.up_proj.* merge"):
        load_model(part)


@pytest.mark.parametrize("name", ["/no/such.gguf", "no/such.gguf", "~/no/such.gguf"])
def test_no_file(name):
    with pytest.raises(FileNotFoundError, match=r"such\.gguf': no such file; .* GGUF"):
        load_model(name)


def test_another_kind_of_file(tmp_path):
    weights = Path(load_stories().model) / "model.safetensors"
    with pytest.raises(ValueError, match="is a file but not a GGUF file .* or the folder"):
        load_model(weights)
    (tmp_path / "empty.gguf").touch()
    with pytest.raises(ValueError, match="is a file but not a GGUF file"):
        load_model(tmp_path / "empty.gguf")


@pytest.mark.parametrize("package", ["gguf", "accelerate"])
def test_missing_packages(path, package, monkeypatch):
    plain = importlib.util.find_spec
    monkeypatch.setattr(
        "skdict.models._gguf.find_spec", lambda name: None if name == package else plain(name)
    )
    shutil.copy(path, path.parent / f"{package}.gguf")
    with pytest.raises(ImportError, match=r"needs the packages gguf.*'skdict\[gguf\]'"):
        load_model(path.parent / f"{package}.gguf")
