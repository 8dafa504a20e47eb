"""Names, folders and loaded pairs become models; anything else gets advice."""

import shutil
import subprocess
import sys

import pytest
import torch

from skdict import load_stories
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
        ("./no/such/folder", FileNotFoundError, "there is no such folder; pass the name"),
        ("/no/such/folder", FileNotFoundError, "there is no such folder"),
        ("~/no/such/folder", FileNotFoundError, "there is no such folder"),
        ("no-such-name/anywhere", ValueError, "could not be loaded .*; pass the name"),
        (3, TypeError, r"model is int; pass .* a pair \(model, tokenizer\)"),
        ((1, 2), TypeError, "a pair"),
    ],
)
def test_bad_models(model, error, message):
    with pytest.raises(error, match=message):
        load_model(model, device=CPU)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no config\.json"):
        load_model(tmp_path, device=CPU)


def test_damaged_weights(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(load_stories().model, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="could not be loaded"):
        load_model(folder, device=CPU)


def test_import_is_light():
    code = (
        "import sys, skdict; "
        "print([m for m in ('transformers', 'datasets', 'matplotlib') "
        "if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
