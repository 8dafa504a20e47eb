"""Names, folders and loaded pairs become models; anything else gets advice."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models

from skdict import ActivationExtractor, load_stories
from skdict.__main__ import main
from skdict.evaluation import loss_recovered
from skdict.interpretation import reinitialize_model
from skdict.interpretation.llm import TransformersClient
from skdict.models import evaluation_mode, load_model

CPU = torch.device("cpu")


def test_folders_are_loaded_once_in_float32():
    folder = load_stories().model
    model, tokenizer = load_model(folder, device=CPU)
    assert load_model(folder, device=CPU)[0] is model
    assert model.dtype == torch.float32
    assert not model.training
    assert len(tokenizer) == 2048


def test_changed_files_are_loaded_again(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(load_stories().model, folder)
    model, _ = load_model(folder, device=CPU)
    with torch.no_grad():
        model.model.norm.weight.mul_(2)
    model.save_pretrained(folder)
    again, _ = load_model(folder, device=CPU)
    assert again is not model
    torch.testing.assert_close(again.model.norm.weight, model.model.norm.weight)


def test_loaded_pairs_are_used_as_they_are(tiny_model, byte_tokenizer):
    model, tokenizer = load_model((tiny_model, byte_tokenizer), device=CPU)
    assert model is tiny_model
    assert tokenizer is byte_tokenizer


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_mode_is_left_as_it_was(tiny_model, training):
    tiny_model.train(training)
    with evaluation_mode(tiny_model):
        assert not tiny_model.training
    assert tiny_model.training == training
    tiny_model.eval()


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        ("./no/such/folder", FileNotFoundError, "no such folder; pass the name"),
        ("/no/such/folder", FileNotFoundError, "no such folder"),
        ("~/no/such/folder", FileNotFoundError, "no such folder"),
        ("no-such-name/anywhere", ValueError, "could not be loaded .*; pass the name"),
        (3, TypeError, r"model is int; pass .* a loaded pair \(model, tokenizer\)"),
        ((1, 2), TypeError, "a loaded pair"),
    ],
)
def test_bad_models(model, error, message):
    with pytest.raises(error, match=message):
        load_model(model, device=CPU)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"contains no config\.json"):
        load_model(tmp_path, device=CPU)


def test_damaged_weights(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(load_stories().model, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="could not be loaded"):
        load_model(folder, device=CPU)


def coded_folder(folder, marker):
    """Write a model folder whose configuration and tokenizer are classes of its own."""
    shutil.copytree(load_stories().model, folder)
    (folder / "code.py").write_text(
        f"open({str(marker)!r}, 'w').close()\n"
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        "class OwnConfig(LlamaConfig):\n    model_type = 'own'\n"
        "class OwnModel(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    path = folder / "config.json"
    config = json.loads(path.read_text()) | {
        "model_type": "own",
        "auto_map": {"AutoConfig": "code.OwnConfig", "AutoModelForCausalLM": "code.OwnModel"},
    }
    path.write_text(json.dumps(config))
    return folder


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    """Keep what transformers copies of remote code out of the user's cache."""
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr(sys, "path", [*sys.path])


def test_code_of_a_folder_is_not_run(tmp_path, monkeypatch, own_cache):
    marker = tmp_path / "ran"
    folder = coded_folder(tmp_path / "model", marker)
    monkeypatch.setattr("builtins.input", lambda *args: pytest.fail("asked on standard input"))
    for load in (
        lambda: load_model(folder),
        lambda: ActivationExtractor(folder, "resid_post.1").fit(["a b"]),
        lambda: TransformersClient(folder).identity,
        lambda: reinitialize_model(folder),
    ):
        with pytest.raises(ValueError, match="that code was not run; read it, then pass trust_re"):
            load()
    assert main(["extract", "--model", str(folder), "--out", str(tmp_path / "out")]) == 1
    assert not marker.exists()


def test_code_of_a_folder_is_run_where_it_is_trusted(tmp_path, own_cache):
    marker = tmp_path / "ran"
    folder = coded_folder(tmp_path / "model", marker)
    model, _ = load_model(folder, trust_remote_code=True)
    assert marker.exists()
    assert type(model).__name__ == "OwnModel"
    extractor = ActivationExtractor(folder, "resid_post.1", device="cpu", trust_remote_code=True)
    plain = ActivationExtractor(load_stories().model, "resid_post.1", device="cpu")
    texts = ["Lily saw a dog."]
    np.testing.assert_array_equal(
        np.asarray(extractor.transform(texts)), np.asarray(plain.transform(texts))
    )


def test_trust_is_true_or_false_and_of_models_loaded_here(tiny_model, byte_tokenizer):
    with pytest.raises(TypeError, match="trust_remote_code='yes' is not accepted"):
        load_model(load_stories().model, trust_remote_code="yes")
    with pytest.raises(ValueError, match="trust_remote_code=True applies to models given by name"):
        load_model((tiny_model, byte_tokenizer), trust_remote_code=True)


# Kind M: what is no tokenizer is refused in words.


class Processor:
    tokenizer = "a tokenizer"

    def __call__(self, images):
        return images


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        (None, "tokenizer is NoneType, not a tokenizer; pass .* AutoTokenizer"),
        ("gpt2", "tokenizer is str, not a tokenizer"),
        (Tokenizer(models.BPE()), r"PreTrainedTokenizerFast\(tokenizer_object=...\)"),
        (Processor(), r"pass the tokenizer in it: \(model, processor.tokenizer\)"),
    ],
)
def test_what_is_no_tokenizer(tiny_model, tokenizer, message):
    pair = tiny_model, tokenizer
    for refused in (
        lambda: ActivationExtractor(pair, "resid_post.1").fit(["a"]),
        lambda: loss_recovered(pair, "resid_post.1", None, ["a b"]),
    ):
        with pytest.raises(TypeError, match=message):
            refused()


def test_import_is_light():
    code = (
        "import sys, skdict; "
        "print([m for m in ('transformers', 'datasets', 'matplotlib') "
        "if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
