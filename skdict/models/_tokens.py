"""Texts become token ids, and ids become readable pieces."""

import re

BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def encode_texts(tokenizer, texts, max_length):
    """Return the token ids of each text, cut to `max_length`.

    Special tokens are added as the tokenizer does. The tokenizer's own padding and truncation
    settings are left alone: changing them would change its hash and its pickles.
    """
    lists = tokenizer(list(texts), add_special_tokens=True, verbose=False)["input_ids"]
    return [ids[:max_length] for ids in lists]


def readable_pieces(tokenizer):
    """Return the text of every token id, with its leading space.

    Byte-level and SentencePiece vocabularies mark spaces in different ways; here a space is
    a space. The bytes of a character that is split over tokens become lone surrogates, so that
    joined pieces can be put together again.
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
