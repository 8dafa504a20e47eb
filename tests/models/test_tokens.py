"""Pieces are readable and spaces are spaces, for byte-level and SentencePiece vocabularies."""

import copy

import pytest
from tokenizers import AddedToken
from transformers import AutoTokenizer

from skdict import ActivationExtractor, load_stories
from skdict.models import encode_texts, readable_pieces, special_ids
from tests.tiny_tokenizers import KINDS, tiny_tokenizer


def test_byte_level_pieces_join_to_the_text():
    tokenizer = AutoTokenizer.from_pretrained(load_stories().model)
    pieces = readable_pieces(tokenizer)
    assert len(pieces) == len(tokenizer)
    text = "Lily saw Tom.\nShe said hi."
    ids = encode_texts(tokenizer, [text])[0].body
    assert "".join(pieces[i] for i in ids) == text
    assert " Lily" in pieces


@pytest.mark.parametrize("name", ["bundled", "stories260K"])
def test_split_characters_are_put_together_in_context(name, request):
    folder = load_stories().model
    if name == "stories260K":
        folder = request.getfixturevalue("shared_data") / name
    text = "They said \u201chi\u201d: na\u00efve \u732b."
    acts = ActivationExtractor(folder, "resid_post.0").transform([text])
    context = acts.context(len(acts) - 1, before=200)
    assert (context.before + context.token).strip() == text


def test_sentencepiece_pieces_join_to_the_text(shared_data):
    tokenizer = AutoTokenizer.from_pretrained(shared_data / "stories260K")
    pieces = readable_pieces(tokenizer)
    text = "Lily saw Tom.\nShe said hi."
    ids = encode_texts(tokenizer, [text])[0].body
    assert "".join(pieces[i] for i in ids) == " " + text


@pytest.mark.parametrize("kind", KINDS)
def test_texts_come_apart_into_what_is_added_and_their_own(kind):
    tokenizer, (prefix, suffix) = tiny_tokenizer(kind), KINDS[kind]
    # The text spells out the special tokens itself, at both ends.
    texts = ["abc", "<s>ab</s>", "</s>"]
    for text, parts in zip(texts, encode_texts(tokenizer, texts), strict=True):
        own = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert parts == (prefix, own, suffix)


@pytest.mark.parametrize("kind", KINDS)
def test_special_tokens_wherever_they_come_from(kind):
    tokenizer = tiny_tokenizer(kind)
    assert {0, 1} <= set(special_ids(tokenizer)) <= {0, 1, 2}
    # Marked as special in the vocabulary, though no attribute of the tokenizer names it.
    other = copy.deepcopy(tokenizer)
    other.add_tokens([AddedToken("<turn>", special=True)])
    assert set(special_ids(other)) - set(special_ids(tokenizer)) == {len(other) - 1}


def test_tokenizers_are_left_alone():
    tokenizer = copy.deepcopy(tiny_tokenizer("cls_sep"))
    backend = tokenizer.backend_tokenizer
    plain = encode_texts(tokenizer, ["abcdef", "ab"])
    for settings in ({}, {"truncation": True}, {"truncation": True, "padding": True}):
        if "truncation" in settings:
            backend.enable_truncation(4, stride=1, direction="left")
        if "padding" in settings:
            backend.enable_padding(direction="left", pad_id=1, pad_token="</s>", length=12)
        before = backend.to_str()
        assert encode_texts(tokenizer, ["abcdef", "ab"]) == plain
        assert backend.to_str() == before
