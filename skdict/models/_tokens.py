"""Tokenize texts, and decode token ids one by one."""

import re
from contextlib import contextmanager
from typing import NamedTuple

BYTE = re.compile(r"<0x([0-9A-F]{2})>")


class TokenizedText(NamedTuple):
    """Token ids of a whole text, and the special tokens that the tokenizer adds around them.

    Parameters
    ----------
    prefix : list of int
        Special tokens added before the text, such as a beginning-of-sequence token.
    body : list of int
        Tokens of the text itself.
    suffix : list of int
        Special tokens added after the text.
    """

    prefix: list
    body: list
    suffix: list


def encode_texts(tokenizer, texts):
    """Return all tokens of each text, separated from the special tokens added around them.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Tokenizer. Its padding and truncation settings are preserved, because they are part of
        its hash and of its pickles.
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
    # The mask marks only added tokens, not special tokens spelled out in the text itself.
    start = added.index(0) if 0 in added else len(ids)
    end = len(ids) - added[::-1].index(0) if 0 in added else len(ids)
    return TokenizedText(ids[:start], ids[start:end], ids[end:])


@contextmanager
def _settings_kept(tokenizer):
    """Restore the padding and truncation that calling the tokenizer switches off."""
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
    """Return the ids of a tokenizer's special tokens, in ascending order.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Tokenizer.

    Returns
    -------
    list of int
        Token ids.
    """
    added = getattr(tokenizer, "added_tokens_decoder", {})
    marked = {i for i, token in added.items() if token.special}
    return sorted(marked.union(tokenizer.all_special_ids))


def readable_pieces(tokenizer):
    """Return the text of every token id, including its leading space.

    Byte-level and SentencePiece vocabularies mark spaces in different ways; both are decoded to
    plain spaces. If a character is split over several tokens, each of its bytes becomes a lone
    surrogate, so that joining the pieces restores the character.

    Parameters
    ----------
    tokenizer : PreTrainedTokenizerBase
        Tokenizer.

    Returns
    -------
    list of str
        Text of each token id.
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
