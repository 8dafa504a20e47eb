"""Pieces are readable and spaces are spaces, for byte-level and SentencePiece vocabularies."""

import pytest
from transformers import AutoTokenizer

from skdict import ActivationExtractor, load_stories
from skdict.models import encode_texts, readable_pieces


def test_byte_level_pieces_join_to_the_text():
    tokenizer = AutoTokenizer.from_pretrained(load_stories().model)
    pieces = readable_pieces(tokenizer)
    assert len(pieces) == len(tokenizer)
    text = "Lily saw Tom.\nShe said hi."
    ids = encode_texts(tokenizer, [text], 100)[0]
    assert "".join(pieces[i] for i in ids[1:]) == text
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
    ids = encode_texts(tokenizer, [text], 100)[0]
    assert "".join(pieces[i] for i in ids[1:]) == " " + text


def test_texts_are_cut_and_the_tokenizer_left_alone(byte_tokenizer):
    before = byte_tokenizer.backend_tokenizer.to_str()
    lists = encode_texts(byte_tokenizer, ["abcdef", "ab"], 4)
    assert [len(ids) for ids in lists] == [4, 2]
    assert byte_tokenizer.backend_tokenizer.to_str() == before
