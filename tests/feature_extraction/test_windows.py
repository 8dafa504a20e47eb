"""Long texts and special tokens: what is read, and which of it gives rows."""

import copy

import numpy as np
import pytest
import torch

from skdict import ActivationExtractor, SparseDictionaryAutoencoder
from skdict.feature_extraction import FeatureVectorizer, extract_activations
from skdict.feature_extraction._windows import read_in_windows
from skdict.models import TokenizedText
from tests.tiny_tokenizers import KINDS, tiny_tokenizer

TEXTS = ["abcdefghijklmnopqrstu", "xy", "hello<s>there", "abcdefg", "q"]
PLACE = "resid_post.0"


def slow_rows(model, kind, text, *, max_length, long_texts, skip_first, skip_special_tokens):
    """Return (values, position, id) of each row, from the model run window by window.

    Only the tokenizer's own tokens of the bare text are asked of it.
    """
    prefix, suffix = KINDS[kind]
    tokenizer = tiny_tokenizer(kind)
    own = tokenizer(text, add_special_tokens=False)["input_ids"]
    room = max_length - len(prefix) - len(suffix)
    parts = [own[i : i + room] for i in range(0, len(own), room)]
    if long_texts == "truncate":
        parts = parts[:1]
    rows, before = [], len(prefix)
    for number, part in enumerate(parts):
        ids = prefix + part + suffix
        with torch.no_grad():
            states = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[1][0]
        for place in range(skip_first, len(ids)):
            position = before + place - len(prefix)
            added = place < len(prefix) or place >= len(prefix) + len(part)
            if added and (number > 0 or (place >= len(prefix) and len(parts) > 1)):
                continue
            if skip_special_tokens and (added or ids[place] in tokenizer.all_special_ids):
                continue
            rows.append((states[place].numpy(), position, ids[place]))
        before += len(part)
    return rows


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("long_texts", ["truncate", "split"])
@pytest.mark.parametrize("skip_special_tokens", [False, True])
def test_equal_to_reading_window_by_window(tiny_model, kind, long_texts, skip_special_tokens):
    for max_length, skip_first in [(5, 0), (5, 1), (6, 3), (40, 1)]:
        options = {
            "max_length": max_length,
            "long_texts": long_texts,
            "skip_first": skip_first,
            "skip_special_tokens": skip_special_tokens,
        }
        acts = ActivationExtractor(
            (tiny_model, tiny_tokenizer(kind)), PLACE, batch_size=3, **options
        ).transform(TEXTS)
        for document, text in enumerate(TEXTS):
            expected = slow_rows(tiny_model, kind, text, **options)
            part = acts[acts.documents == document]
            assert part.positions.tolist() == [position for _, position, _ in expected]
            assert part.token_ids.tolist() == [token for _, _, token in expected]
            if expected:
                values = np.stack([value for value, _, _ in expected])
                np.testing.assert_allclose(np.asarray(part), values, atol=2e-6)


@pytest.mark.parametrize("kind", ["bos", "cls_sep"])
def test_windows_of_every_family(any_family, kind):
    _, model = any_family
    options = {"max_length": 6, "skip_first": 1, "skip_special_tokens": False}
    pair = model, tiny_tokenizer(kind)
    acts = ActivationExtractor(pair, PLACE, long_texts="split", **options).transform(TEXTS[:2])
    expected = [
        value
        for text in TEXTS[:2]
        for value, _, _ in slow_rows(model, kind, text, long_texts="split", **options)
    ]
    np.testing.assert_allclose(np.asarray(acts), np.stack(expected), atol=5e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_truncation_is_the_tokenizers_own(tiny_model, kind):
    tokenizer = tiny_tokenizer(kind)
    acts = ActivationExtractor((tiny_model, tokenizer), PLACE, max_length=6, skip_first=0)
    rows = acts.transform(TEXTS)
    own = tokenizer(TEXTS, truncation=True, max_length=6)["input_ids"]
    for document, ids in enumerate(own):
        part = rows[rows.documents == document]
        assert part.token_ids.tolist() == ids
        assert part.positions.tolist() == list(range(len(ids)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("skip_first", [0, 1, 2])
def test_no_way_of_reading_matters_to_texts_that_fit(tiny_model, kind, skip_first):
    ways = [
        ActivationExtractor(
            (tiny_model, tiny_tokenizer(kind)), PLACE, skip_first=skip_first, long_texts=way
        ).transform(TEXTS)
        for way in ("truncate", "split", "raise")
    ]
    for other in ways[1:]:
        np.testing.assert_array_equal(np.asarray(other), np.asarray(ways[0]))
        np.testing.assert_array_equal(other.positions, ways[0].positions)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("max_length", [3, 4, 7, 100])
def test_every_token_of_the_text_is_read_once_and_gives_one_row(kind, max_length):
    rng = np.random.default_rng(max_length)
    prefix, suffix = KINDS[kind]
    for n_tokens in (1, 2, 5, 6, 7, 30):
        own = rng.integers(3, 20, n_tokens).tolist()
        text = TokenizedText(prefix, own, suffix)
        windows = read_in_windows(
            text, 0, max_length=max_length, long_texts="split", skip_first=0, left_out=[0, 1]
        )
        rows = [int(i) for window in windows for i in window.ids[window.kept]]
        assert rows == own
        positions = np.concatenate([window.positions for window in windows])
        assert positions.tolist() == [len(prefix) + i for i in range(n_tokens)]
        assert max(len(window.ids) for window in windows) <= max_length
        for window in windows:
            ids = window.ids.tolist()
            assert ids[: len(prefix)] == prefix
            assert ids[len(ids) - len(suffix) :] == suffix


def test_special_tokens_are_read_though_they_give_no_row(tiny_model):
    pair = tiny_model, tiny_tokenizer("bos")
    every = ActivationExtractor(pair, PLACE, skip_first=0).transform(["ab<s>cd"])
    own = ActivationExtractor(pair, PLACE, skip_first=0, skip_special_tokens=True)
    rows = own.transform(["ab<s>cd"])
    assert every.positions.tolist() == [0, 1, 2, 3, 4, 5]
    assert rows.positions.tolist() == [1, 2, 4, 5]
    np.testing.assert_array_equal(np.asarray(rows), np.asarray(every)[[1, 2, 4, 5]])
    with pytest.raises(ValueError, match="no text has a token that is not special"):
        own.transform(["<s>"])


def test_texts_that_are_too_long_are_refused(tiny_model):
    pair = tiny_model, tiny_tokenizer("cls_sep")
    extractor = ActivationExtractor(pair, PLACE, max_length=9, long_texts="raise")
    assert len(extractor.transform(["abcdefg"])) == 8
    with pytest.raises(ValueError, match=r"texts\[1\] has 10 tokens, more than the 9 .*'split'"):
        extractor.transform(["abc", "abcdefgh"])
    with pytest.raises(ValueError, match=r"texts\[1\] has 10 tokens"):
        list(extractor.iter_transform(["abc", "abcdefgh"], chunk_size=1))
    # What the model's context holds counts where it is less.
    with pytest.raises(ValueError, match=r"has 72 tokens, more than the 64 "):
        extractor.set_params(max_length=100).transform(["abcdefg" * 10])


@pytest.mark.parametrize("long_texts", ["truncate", "split"])
def test_no_room_beside_the_special_tokens(tiny_model, long_texts):
    pair = tiny_model, tiny_tokenizer("cls_sep")
    extractor = ActivationExtractor(pair, PLACE, max_length=2, long_texts=long_texts)
    with pytest.raises(ValueError, match=r"no room for texts\[0\] beside its 2 special tokens"):
        extractor.transform(["ab"])


@pytest.mark.parametrize(
    ("option", "error", "message"),
    [
        ({"long_texts": "cut"}, ValueError, "'truncate', 'split', 'raise'"),
        ({"skip_special_tokens": 1}, TypeError, "pass True or False"),
    ],
)
def test_bad_options(tiny_model, option, error, message):
    with pytest.raises(error, match=message):
        ActivationExtractor((tiny_model, tiny_tokenizer("bos")), PLACE, **option).fit(TEXTS)


def test_context_runs_on_over_windows(tiny_model):
    pair = tiny_model, tiny_tokenizer("bos")
    acts = ActivationExtractor(pair, PLACE, max_length=4, long_texts="split").transform(TEXTS[:1])
    assert str(acts.context(3, before=9, after=4)) == "abc[d]efgh"


@pytest.mark.parametrize("pooling", ["max", "mean", "last"])
def test_pooling_is_over_all_windows(tiny_model, pooling):
    pair = tiny_model, tiny_tokenizer("cls_sep")
    options = {"max_length": 5, "long_texts": "split", "skip_special_tokens": True}
    acts = ActivationExtractor(pair, PLACE, **options).transform(TEXTS)
    pooled = ActivationExtractor(pair, PLACE, pooling=pooling, **options).transform(TEXTS)
    for document in range(len(TEXTS)):
        part = np.asarray(acts[acts.documents == document])
        expected = {"max": part.max(0), "mean": part.mean(0), "last": part[-1]}[pooling]
        np.testing.assert_allclose(pooled[document], expected, rtol=1e-5, atol=1e-6)


def test_feature_vectorizers_read_windows_too(tiny_model):
    pair = tiny_model, tiny_tokenizer("bos")
    extractor = ActivationExtractor(pair, PLACE, max_length=5, long_texts="split")
    sae = SparseDictionaryAutoencoder(24, alpha=0.05, max_iter=2, random_state=0)
    vectorizer = FeatureVectorizer(extractor, sae).fit(TEXTS)
    codes = vectorizer.dictionary_.transform(extractor.transform(TEXTS[:1])).toarray()
    np.testing.assert_allclose(vectorizer.transform(TEXTS[:1]).toarray()[0], codes.max(axis=0))


@pytest.mark.parametrize("option", [{"long_texts": "split"}, {"skip_special_tokens": True}])
def test_the_cache_tells_ways_of_reading_apart(tiny_model, tmp_path, option):
    pair = tiny_model, tiny_tokenizer("cls_sep")
    names, options = [PLACE, "mlp_out.1"], {"max_length": 6, "skip_first": 0}
    extract_activations(pair, names, TEXTS, cache_dir=tmp_path, **options)
    expected = extract_activations(pair, names, TEXTS, **options | option)
    for _ in range(2):
        cached = extract_activations(pair, names, TEXTS, cache_dir=tmp_path, **options | option)
        for name in names:
            np.testing.assert_allclose(
                np.asarray(cached[name]), np.asarray(expected[name]), atol=2e-6
            )
            np.testing.assert_array_equal(cached[name].positions, expected[name].positions)
    # A token that is special from now on gives other rows of the same text.
    named = copy.deepcopy(pair[1])
    named.add_special_tokens({"additional_special_tokens": ["a"]})
    rows = ActivationExtractor(
        (tiny_model, named), PLACE, cache_dir=tmp_path, skip_special_tokens=True, max_length=6
    ).transform(TEXTS[:1])
    assert rows.positions.tolist() == [2, 3, 4]


def test_chunks_split_texts_as_the_whole_does(tiny_model):
    pair = tiny_model, tiny_tokenizer("bos")
    extractor = ActivationExtractor(pair, PLACE, max_length=5, long_texts="split")
    whole = extractor.transform(TEXTS)
    chunks = list(extractor.iter_transform(TEXTS, chunk_size=2))
    np.testing.assert_allclose(np.concatenate([np.asarray(c) for c in chunks]), whole, atol=2e-6)
    for name in ("documents", "positions", "token_ids"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(c, name) for c in chunks]), getattr(whole, name)
        )
