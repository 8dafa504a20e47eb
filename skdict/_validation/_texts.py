"""Checks of texts."""


def check_texts(texts, *, first=0):
    """Return texts as a list of non-empty strings.

    Parameters
    ----------
    texts : list of str
        What was passed.
    first : int, default=0
        Index of the first of them in what the user passed, for the message.

    Raises
    ------
    TypeError
        For one string, or items that are not strings.
    ValueError
        For no text, an empty one, or one that is not Unicode (its index is named).
    """
    if isinstance(texts, (str, bytes)):
        raise TypeError(
            f"texts is one {type(texts).__name__}; pass a list of texts, such as [text]"
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
            raise ValueError(f"texts[{index}] is empty: it has no token; leave empty texts out")
        _check_unicode(text, index)
    return texts


def _check_unicode(text, index):
    """Refuse lone surrogates, which no tokenizer reads."""
    if text.isascii():
        return
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"texts[{index}] holds {text[error.start]!r} at character {error.start}, half of a "
            f"surrogate pair, as cutting or decoding text wrongly leaves; read the text again, or "
            f"pass text.encode('utf-8', 'replace').decode('utf-8')"
        ) from None
