"""No document goes through the model twice, and nothing stale or damaged is read."""

import numpy as np
import pytest
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.feature_extraction import _extraction, extract_activations

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
    assert all(path.suffix == ".rows" for path in files(tmp_path))


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
