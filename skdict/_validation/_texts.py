"""Validate texts."""


def check_texts(texts, *, first=0):
    """Check that texts are non-empty strings, and return them as a list.

    Parameters
    ----------
    texts : list of str
        Texts to check.
    first : int, default=0
        Index of the first text in the user's list, for the message.

    Raises
    ------
    TypeError
        If `texts` is a single string, or contains items that are not strings.
    ValueError
        If there are no texts, or a text is empty or not valid Unicode.
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError(
            f"texts is a single {type(texts).__name__}; pass a list of texts, such as [text]"
        )
    if getattr(texts, "ndim", 1) != 1:
        raise ValueError(
            f"texts has {texts.ndim} dimensions; pass a list or a one-dimensional array of texts"
        )
    if not hasattr(texts, "__len__") or not hasattr(texts, "__iter__"):
        raise TypeError(f"texts is {type(texts).__name__}; pass a list of texts, such as list(...)")
    texts = list(texts)
    if not texts:
        raise ValueError("texts is empty (0 texts); pass at least one text")
    for index, text in enumerate(texts, start=first):
        if not isinstance(text, str):
            raise TypeError(
                f"texts[{index}] is {type(text).__name__}, not str; pass a list of texts"
            )
        if not text.strip():
            raise ValueError(f"texts[{index}] is empty and has no tokens; remove empty texts")
        _check_unicode(text, index)
    return texts


def _check_unicode(text, index):
    """Raise `ValueError` for lone surrogates, which no tokenizer accepts."""
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"texts[{index}] contains {text[error.start]!r} at character {error.start}, half of a "
            f"surrogate pair, a sign of wrong decoding or truncation; decode the text again, or "
            f"pass text.encode('utf-8', 'replace').decode('utf-8')"
        ) from None
