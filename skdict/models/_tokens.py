"""Texts become token ids, and ids become readable pieces."""

import re
from contextlib import contextmanager
from typing import NamedTuple

BYTE = re.compile(r"<0x([0-9A-F]{2})>")


class TokenizedText(NamedTuple):
    """The token ids of a whole text, and what the tokenizer adds around them.

    Parameters
    ----------
    prefix : list of int
        Special tokens added in front, such as a beginning of sequence.
    body : list of int
        Tokens of the text itself.
    suffix : list of int
        Special tokens added behind.
    """

    prefix: list
    body: list
    suffix: list


def encode_texts(tokenizer, texts):
    """Return the tokens of each text, whole, apart from the special ones added around it.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Left as it is, with its settings of padding and truncation: changing them would change
        its hash and its pickles.
    texts : list of str
        Texts.

    Returns
    -------
    list of TokenizedText
        One for each text.
    """
    with _settings_kept(tokenizer):
        encoded = tokenizer(
            list(texts), add_special_tokens=True, return_special_tokens_mask=True, verbose=False
        )
    return [
        _taken_apart(ids, added)
        for ids, added in zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True)
    ]


def _taken_apart(ids, added):
    # The mask marks what was added, not a special token that the text itself spells out.
    start = added.index(0) if 0 in added else len(ids)
    end = len(ids) - added[::-1].index(0) if 0 in added else len(ids)
    return TokenizedText(ids[:start], ids[start:end], ids[end:])


@contextmanager
def _settings_kept(tokenizer):
    """Give back the padding and truncation that a call of the tokenizer switches off."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    padding, truncation = getattr(backend, "padding", None), getattr(backend, "truncation", None)
    try:
        yield
    finally:
        if padding is not None:
            backend.enable_padding(**padding)
        if truncation is not None:
            backend.enable_truncation(**truncation)


def special_ids(tokenizer):
    """Return the ids of a tokenizer's special tokens, in order.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Which tokenizer.

    Returns
    -------
    list of int
        Ids, ascending.
    """
    added = getattr(tokenizer, "added_tokens_decoder", {})
    marked = {i for i, token in added.items() if token.special}
    return sorted(marked.union(tokenizer.all_special_ids))


def readable_pieces(tokenizer):
    """Return the text of every token id, with its leading space.

    Byte-level and SentencePiece vocabularies mark spaces in different ways; here a space is
    a space. The bytes of a character that is split over tokens become lone surrogates, so that
    joined pieces can be put together again.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Which tokenizer.

    Returns
    -------
    list of str
        The text of each id.
    """
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    backend = getattr(tokenizer, "backend_tokenizer", None)
    byte_level = "ByteLevel" in repr(getattr(backend, "decoder", None))
    byte_of = {sign: byte for byte, sign in bytes_to_unicode().items()} if byte_level else {}
    special = set(tokenizer.all_special_tokens)
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return ["" if t is None else t if t in special else _readable(t, byte_of) for t in tokens]


def _readable(token, byte_of):
    if byte_of and all(sign in byte_of for sign in token):
        return _decode(bytes(byte_of[sign] for sign in token))
    byte = BYTE.fullmatch(token)
    return _decode(bytes([int(byte[1], 16)])) if byte else token.replace("\u2581", " ")


def _decode(raw):
    return raw.decode("utf-8", errors="surrogateescape")
