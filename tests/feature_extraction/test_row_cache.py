"""No document goes through the model twice, and nothing stale or damaged is read."""

import copy
import errno
import hashlib
import os
import pickle
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from tokenizers import normalizers

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.decomposition import RandomDictionary
from skdict.feature_extraction import _extraction, extract_activations
from skdict.interventions import Steer, intervene
from skdict.models import load_model
from tests.conftest import build

TEXTS = ["abcdefgh", "xy", "hello there, world", "abc", "xy"]


@pytest.fixture
def counted(monkeypatch):
    """Count the texts that go through a model, the two that check the places left out."""
    plain, seen = _extraction.forward, []

    def forward(model, points, token_lists):
        seen.extend(map(tuple, token_lists))
        return plain(model, points, token_lists)

    monkeypatch.setattr(_extraction, "forward", forward)
    monkeypatch.setattr(_extraction, "check_places", lambda *args: None)
    return seen


@pytest.fixture
def pair(tiny_model, byte_tokenizer):
    return tiny_model, byte_tokenizer


def files(folder):
    return sorted(p for p in folder.rglob("*") if p.is_file())


def test_rows_are_those_without_a_cache(pair, tmp_path, counted):
    plain = ActivationExtractor(pair, "resid_post.1").transform(TEXTS)
    counted.clear()
    extractor = ActivationExtractor(pair, "resid_post.1", cache_dir=tmp_path / "cache")
    first = extractor.transform(TEXTS)
    assert len(counted) == len(TEXTS)
    again = extractor.transform(TEXTS[::-1])
    assert len(counted) == len(TEXTS)
    np.testing.assert_allclose(np.asarray(first), np.asarray(plain), atol=1e-6)
    for document, text in enumerate(TEXTS):
        np.testing.assert_array_equal(
            np.asarray(again[again.documents == 4 - document]),
            np.asarray(first[first.documents == TEXTS.index(text)]),
        )
    assert len(files(tmp_path)) == len(set(TEXTS))


def test_new_texts_alone_are_run(pair, tmp_path, counted):
    extractor = ActivationExtractor(pair, "resid_post.1", cache_dir=tmp_path)
    extractor.transform(TEXTS[:2])
    counted.clear()
    extractor.transform(TEXTS[:3])
    assert len(counted) == 1


@pytest.mark.parametrize(
    "change",
    [{"hook_point": "mlp_out.1"}, {"skip_first": 0}, {"dtype": "float16"}],
)
def test_other_settings_are_other_rows(pair, tmp_path, counted, change):
    options = {"model": pair, "hook_point": "resid_post.1", "cache_dir": tmp_path}
    ActivationExtractor(**options).transform(TEXTS)
    counted.clear()
    other = ActivationExtractor(**options | change).transform(TEXTS)
    assert len(counted) == len(TEXTS)
    expected = ActivationExtractor(**options | change | {"cache_dir": None}).transform(TEXTS)
    np.testing.assert_array_equal(np.asarray(other), np.asarray(expected))


def test_texts_cut_shorter_are_run_and_others_are_not(pair, tmp_path, counted):
    options = {"model": pair, "hook_point": "resid_post.1"}
    ActivationExtractor(**options, cache_dir=tmp_path).transform(TEXTS)
    counted.clear()
    cut = ActivationExtractor(**options, cache_dir=tmp_path, max_length=4).transform(TEXTS)
    assert len(counted) == sum(len(text) > 4 for text in TEXTS)
    expected = ActivationExtractor(**options, max_length=4).transform(TEXTS)
    np.testing.assert_allclose(np.asarray(cut), np.asarray(expected), atol=1e-6)


def test_changed_weights_are_another_model(pair, tmp_path, counted):
    model, _ = pair
    extractor = ActivationExtractor(pair, "resid_post.1", cache_dir=tmp_path)
    extractor.transform(TEXTS)
    counted.clear()
    weight = next(iter(model.parameters()))
    with torch.no_grad():
        weight.add_(0.5)
    try:
        extractor.transform(TEXTS)
    finally:
        with torch.no_grad():
            weight.sub_(0.5)
    assert len(counted) == len(TEXTS)


def test_a_damaged_file_is_made_again(pair, tmp_path, counted):
    extractor = ActivationExtractor(pair, "resid_post.1", cache_dir=tmp_path)
    expected = np.asarray(extractor.transform(TEXTS))
    for path in files(tmp_path)[:2]:
        path.write_bytes(path.read_bytes()[:50])
    counted.clear()
    np.testing.assert_allclose(np.asarray(extractor.transform(TEXTS)), expected, atol=1e-6)
    assert len(counted) in (2, 3)
    assert all(path.suffix == ".npy" for path in files(tmp_path))


def test_several_places_share_a_pass(pair, tmp_path, counted):
    names = ["resid_post.0", "mlp_out.2"]
    both = extract_activations(pair, names, TEXTS, cache_dir=tmp_path)
    assert len(counted) == len(TEXTS)
    again = extract_activations(pair, names[::-1], TEXTS, cache_dir=tmp_path)
    assert len(counted) == len(TEXTS)
    for name in names:
        np.testing.assert_array_equal(np.asarray(again[name]), np.asarray(both[name]))


def test_a_grid_runs_the_model_once_per_document(tmp_path, counted):
    stories = load_stories()
    texts = stories.texts[:12]
    extractor = ActivationExtractor(
        stories.model, "resid_post.1", max_length=32, cache_dir=tmp_path
    )
    sae = SparseDictionaryAutoencoder(32, max_iter=1, random_state=0)
    pipeline = Pipeline([("acts", extractor), ("sae", sae)])
    grid = GridSearchCV(
        pipeline, {"sae__alpha": [0.05, 0.07, 0.1, 0.15]}, cv=3, error_score="raise"
    )
    grid.fit(texts)
    assert len(counted) == len(set(counted)) == len(texts)
    grid.fit(texts)
    assert len(counted) == len(texts)


def test_chunks_are_the_whole(pair):
    extractor = ActivationExtractor(pair, "resid_post.1")
    whole = extractor.transform(TEXTS)
    chunks = list(extractor.iter_transform((text for text in TEXTS), chunk_size=2))
    assert len(chunks) == 3
    np.testing.assert_allclose(np.concatenate([np.asarray(c) for c in chunks]), whole, atol=2e-6)
    np.testing.assert_array_equal(np.concatenate([c.documents for c in chunks]), whole.documents)
    extractor = ActivationExtractor(pair, "resid_post.1", skip_first=3)
    documents = [
        chunk.documents[0]
        for chunk in extractor.iter_transform(["abcdefg", "a", "hijklmn"], chunk_size=1)
    ]
    assert documents == [0, 2]
    with pytest.raises(ValueError, match="chunk_size=0"):
        next(extractor.iter_transform(TEXTS, chunk_size=0))
    with pytest.raises(TypeError, match="pass a list"):
        next(extractor.iter_transform("one text"))


# Kind B: what is kept is what an uncached run gives, or it is not used.


def rows(pair, **options):
    return np.asarray(ActivationExtractor(pair, "resid_post.1", **options).transform(TEXTS))


@pytest.fixture
def llama(byte_tokenizer):
    return build("llama"), byte_tokenizer


def signed(content, path):
    """Return a file's content with a checksum that fits it, as no accident makes it."""
    return content + hashlib.sha256(path.stem.encode() + content).digest()


def damage(path, how):
    content = path.read_bytes()
    body = content[:-32]
    if how == "one bit":
        return content[:200] + bytes([content[200] ^ 0x40]) + content[201:]
    if how == "nan":
        return signed(body[:-60] + b"\xff" * 60, path)
    if how == "huge shape":
        return content.replace(b"'shape': (", b"'shape': (9999", 1)
    if how == "other dtype":
        return signed(body.replace(b"<f4", b"<i4", 1), path)
    return {"longer": content + bytes(64), "empty": b"", "zeros": bytes(len(content))}[how]


@pytest.mark.parametrize(
    "how", ["one bit", "nan", "huge shape", "other dtype", "longer", "empty", "zeros"]
)
def test_damaged_files_count_as_absent(llama, tmp_path, how):
    expected = rows(llama, cache_dir=tmp_path)
    kept = {path: path.read_bytes() for path in files(tmp_path)}
    for path in kept:
        path.write_bytes(damage(path, how))
    np.testing.assert_allclose(rows(llama, cache_dir=tmp_path), expected, atol=1e-6)
    assert all(len(p.read_bytes()) == len(content) for p, content in kept.items())
    np.testing.assert_allclose(rows(llama, cache_dir=tmp_path), expected, atol=1e-6)


def test_a_file_under_the_name_of_another_counts_as_absent(llama, tmp_path):
    expected = rows(llama, cache_dir=tmp_path)
    paths = [p for p in files(tmp_path) if p.stat().st_size > 200][:2]
    paths[0].write_bytes(paths[1].read_bytes())
    paths[1].unlink()
    paths[1].mkdir()
    with pytest.raises(OSError, match="could not be written"):
        rows(llama, cache_dir=tmp_path)
    paths[1].rmdir()
    np.testing.assert_allclose(rows(llama, cache_dir=tmp_path), expected, atol=1e-6)


def test_folders_that_cannot_be_written_to_are_named_before_the_model_runs(
    llama, tmp_path, counted
):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cache_dir='.*file' could not be written"):
        rows(llama, cache_dir=tmp_path / "file")
    with pytest.raises(OSError, match=r"cache_dir='.*below' could not be written"):
        rows(llama, cache_dir=tmp_path / "file" / "below")
    locked = tmp_path / "locked"
    locked.mkdir()
    locked.chmod(0o500)
    if not os.access(locked, os.W_OK):
        with pytest.raises(OSError, match="choose another folder, or leave cache_dir=None"):
            rows(llama, cache_dir=locked)
    assert counted == []


def test_a_full_disk_is_named(llama, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"cache_dir='.*kept' could not be written .*No space left"):
        rows(llama, cache_dir=tmp_path / "kept")
    monkeypatch.undo()
    assert files(tmp_path) == []


def test_rows_inside_an_edit_are_those_of_the_edited_model(llama, tmp_path, counted):
    dictionary = RandomDictionary(32, random_state=0).fit(np.eye(16, dtype=np.float32))
    plain = rows(llama, cache_dir=tmp_path)
    n_files = len(files(tmp_path))
    with intervene(llama[0], "resid_post.0", dictionary, Steer(3, 20.0)):
        with pytest.warns(UserWarning, match=r"is not used: a hook is set on .* \(skdict\."):
            cached = rows(llama, cache_dir=tmp_path)
        expected = rows(llama)
    np.testing.assert_array_equal(cached, expected)
    assert np.abs(cached - plain).max() > 0.1
    assert len(files(tmp_path)) == n_files
    counted.clear()
    np.testing.assert_array_equal(rows(llama, cache_dir=tmp_path), plain)
    assert counted == []


def test_hooks_and_methods_of_others_are_run_and_not_cached(llama, tmp_path):
    plain = rows(llama, cache_dir=tmp_path)
    mlp = llama[0].model.layers[0].mlp
    handle = mlp.register_forward_hook(lambda module, args, output: 2 * output)
    with pytest.warns(UserWarning, match=r"a hook is set on model\.layers\.0\.mlp"):
        hooked = rows(llama, cache_dir=tmp_path)
    np.testing.assert_array_equal(hooked, rows(llama))
    handle.remove()
    forward = mlp.forward
    mlp.forward = lambda x: 2 * forward(x)
    with pytest.warns(UserWarning, match="the forward method of .* has been replaced"):
        np.testing.assert_allclose(rows(llama, cache_dir=tmp_path), hooked, atol=1e-6)
    del mlp.forward
    np.testing.assert_array_equal(rows(llama, cache_dir=tmp_path), plain)


def test_adapters_are_cached_by_what_is_active(llama, tmp_path):
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    plain = rows(llama, cache_dir=tmp_path)
    model = llama[0]
    model.add_adapter(config, "a")
    model.add_adapter(config, "b")
    found = []
    for switch in (lambda: model.set_adapter("a"), lambda: model.set_adapter("b")):
        switch()
        found.append(rows(llama, cache_dir=tmp_path))
        np.testing.assert_allclose(found[-1], rows(llama), atol=1e-6)
    model.disable_adapters()
    np.testing.assert_allclose(rows(llama, cache_dir=tmp_path), plain, atol=1e-6)
    assert min(np.abs(found[0] - found[1]).max(), np.abs(found[0] - plain).max()) > 1e-3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_int8_models_are_kept_apart(llama, tmp_path):
    quantize = torch.ao.quantization.quantize_dynamic
    model, tokenizer = llama
    first = quantize(copy.deepcopy(model), {torch.nn.Linear})
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.mul_(1000)
    second = quantize(copy.deepcopy(model), {torch.nn.Linear})
    for quantized in (first, second, first):
        pair = quantized, tokenizer
        np.testing.assert_allclose(
            rows(pair, cache_dir=tmp_path), rows(pair), atol=1e-2 * np.abs(rows(pair)).max()
        )
    assert np.abs(rows((first, tokenizer)) - rows((second, tokenizer))).max() > 1e-2


def test_autocast_and_training_between_runs(llama, tmp_path):
    plain = rows(llama, cache_dir=tmp_path)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        np.testing.assert_array_equal(rows(llama, cache_dir=tmp_path), rows(llama))
        assert np.abs(rows(llama) - plain).max() > 0
    model = llama[0]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    model(torch.arange(5)[None]).logits.square().sum().backward()
    optimizer.step()
    np.testing.assert_allclose(rows(llama, cache_dir=tmp_path), rows(llama), atol=1e-6)
    model.half()
    np.testing.assert_array_equal(rows(llama, cache_dir=tmp_path), rows(llama))


def test_tokenizers_are_told_apart_by_the_tokens_they_give(llama, tmp_path):
    model, tokenizer = llama
    rows(llama, cache_dir=tmp_path)
    lower = copy.deepcopy(tokenizer)
    lower.backend_tokenizer.normalizer = normalizers.Replace("h", "y")
    np.testing.assert_allclose(
        rows((model, lower), cache_dir=tmp_path), rows((model, lower)), atol=1e-6
    )
    assert np.abs(rows((model, lower)) - rows(llama)).max() > 1e-3


def test_pipelines_with_a_memory_tell_loaded_models_apart(byte_tokenizer, tmp_path):
    models = [build("llama"), build("llama")]
    with torch.no_grad():
        models[1].lm_head.weight.mul_(2)
        models[1].model.layers[0].mlp.down_proj.weight.mul_(3)

    def fitted(model):
        pipeline = Pipeline(
            [
                ("acts", ActivationExtractor((model, byte_tokenizer), "resid_post.1")),
                ("sums", FunctionTransformer(np.asarray)),
                ("last", FunctionTransformer()),
            ],
            memory=str(tmp_path),
        )
        return pipeline.fit_transform(TEXTS)

    plain = [rows((model, byte_tokenizer)) for model in models]
    for model, expected in zip([*models, models[0]], [*plain, plain[0]], strict=True):
        np.testing.assert_array_equal(fitted(model), expected)
    with torch.no_grad():
        models[0].model.layers[0].mlp.down_proj.weight.data.mul_(2)
    np.testing.assert_array_equal(fitted(models[0]), rows((models[0], byte_tokenizer)))
    handle = models[0].model.layers[0].register_forward_hook(lambda m, a, out: 2 * out)
    np.testing.assert_array_equal(fitted(models[0]), rows((models[0], byte_tokenizer)))
    handle.remove()


def test_joblib_hashes_follow_weights_files_and_nothing_else(llama, tmp_path):
    model, tokenizer = llama
    extractor = ActivationExtractor((model, tokenizer), "resid_post.1")
    before = joblib.hash(extractor)
    assert joblib.hash(clone(extractor)) == before
    assert joblib.hash(ActivationExtractor(llama, "resid_post.0")) != before
    assert joblib.hash(ActivationExtractor((build("gpt2"), tokenizer), "resid_post.1")) != before
    again = pickle.loads(pickle.dumps(extractor))
    assert again.model is None
    assert not hasattr(again, "_model_state")
    folder = tmp_path / "model"
    model.save_pretrained(folder)
    named = ActivationExtractor(str(folder), "resid_post.1")
    of_files = joblib.hash(named)
    assert joblib.hash(clone(named)) == of_files
    with torch.no_grad():
        model.lm_head.weight.mul_(2)
    model.save_pretrained(folder)
    assert joblib.hash(named) != of_files
    assert joblib.hash(extractor) != before


def test_models_in_memory_and_by_name_share_what_is_kept(tmp_path, counted):
    folder = load_stories().model
    by_name = ActivationExtractor(folder, "resid_post.1", device="cpu", cache_dir=tmp_path)
    expected = np.asarray(by_name.transform(TEXTS))
    counted.clear()
    by_pair = ActivationExtractor(load_model(folder), "resid_post.1", cache_dir=tmp_path)
    np.testing.assert_array_equal(np.asarray(by_pair.transform(TEXTS)), expected)
    assert counted == []
