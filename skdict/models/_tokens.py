"""Texts become token ids, and ids become readable pieces."""


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
    a space.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    decoder = getattr(backend, "decoder", None)
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return [_readable(token, decoder) for token in tokens]


def _readable(token, decoder):
    if token is None:
        return ""
    if "\u2581" in token:
        return token.replace("\u2581", " ")
    return decoder.decode([token]) if decoder is not None else token
