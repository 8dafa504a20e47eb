"""Rules that label the tokens of one text."""

import re

import numpy as np

from skdict.datasets._word_classes import (
    FEMININE,
    FUNCTION_WORDS,
    MASCULINE,
    NATIONALITIES,
    PLURALS,
    SINGULARS,
    class_of,
)

OPEN, CLOSE, APOSTROPHE = "\u201c", "\u201d", "'\u2019"
# Lone surrogates are bytes of letters that are split across tokens. What follows an apostrophe,
# as in "didn't" or "Lily's", is not a word of its own.
LETTER = r"(?:[^\W\d_]|[\udc80-\udcff])"
WORD = re.compile(rf"(?<!{LETTER})(?<!{LETTER}[{APOSTROPHE}]){LETTER}+")
# Signs that end a sentence or open a quotation: any word may be capitalised after them.
STOP = re.compile(f'[.!?:;\u2026\n("{OPEN}{CLOSE}\u2018{APOSTROPHE}]')
QUOTE = re.compile(f'["{OPEN}{CLOSE}\n]')
OUTSIDE, INSIDE, UNKNOWN = range(3)
QUOTED = np.array(["outside", "inside", ""])


def label_text(pieces):
    """Return the labels of the tokens of a text.

    Parameters
    ----------
    pieces : list of str
        Text of each token.

    Returns
    -------
    dict of str to ndarray of str, shape (n_tokens,)
        Labels as in `label_tokens`.
    """
    text = "".join(pieces)
    ends = np.cumsum([len(piece) for piece in pieces])
    words = list(WORD.finditer(text))
    last = np.searchsorted(ends, [word.end() for word in words])
    n_words = np.bincount(last, minlength=len(pieces))
    labels = {name: [""] * len(pieces) for name in ("part_of_speech", "number", "gender")}
    for token, word, kind in zip(last.tolist(), words, _parts_of_speech(text, words), strict=True):
        # A token that holds several words has no single label.
        if n_words[token] == 1:
            labels["part_of_speech"][token] = kind
            labels["number"][token] = _number(word[0], kind)
            labels["gender"][token] = _gender(word[0])
    labels = {name: np.array(values, dtype="<U11") for name, values in labels.items()}
    return labels | {"quoted": _quoted(text, pieces, ends)}


def _parts_of_speech(text, words):
    """Return the part of speech of each word of a text; "" if unknown."""
    first = _first_words(text, words)
    mid_sentence = {word[0] for word, is_first in zip(words, first, strict=True) if not is_first}
    return [
        _part_of_speech(word[0], is_first, mid_sentence)
        for word, is_first in zip(words, first, strict=True)
    ]


def _part_of_speech(word, is_first, mid_sentence):
    """Return the part of speech of a word, given the words seen within sentences."""
    lower = word.lower()
    if not word[0].isupper() or word == "I":
        return class_of(lower)
    if is_first and (word not in mid_sentence or lower in mid_sentence):
        return class_of(lower)
    # Function words in titles are neither names nor used as usual; initials are parts of names.
    is_name = len(word) > 1 and lower not in FUNCTION_WORDS and word not in NATIONALITIES
    return "name" if is_name else ""


def _first_words(text, words):
    """Return True for each word that may begin a sentence."""
    first, end = [], 0
    for word in words:
        first.append(end == 0 or STOP.search(text, end, word.start()) is not None)
        end = word.end()
    return first


def _number(word, kind):
    lower = word.lower()
    if kind == "noun" and lower in SINGULARS:
        return "singular"
    return "plural" if kind == "noun" and lower in PLURALS else ""


def _gender(word):
    lower = word.lower()
    if lower in FEMININE:
        return "feminine"
    return "masculine" if lower in MASCULINE else ""


def _quoted(text, pieces, ends):
    """Return "inside", "outside" or "" for each token, by its first visible character."""
    states, opened = np.full(len(text) + 1, OUTSIDE, dtype=np.int8), None
    for found in [*QUOTE.finditer(text), None]:
        at, sign = (len(text), "\n") if found is None else (found.start(), found[0])
        if sign == "\n":
            if opened is not None:
                states[opened:at] = UNKNOWN
            opened = None
        elif opened is None:
            opened = None if sign == CLOSE else at
            states[at] = UNKNOWN
        elif sign != OPEN:
            states[opened + 1 : at] = INSIDE
            states[at], opened = UNKNOWN, None
    indents = np.array([len(piece) - len(piece.lstrip()) for piece in pieces])
    lengths = np.array([len(piece) for piece in pieces])
    visible = np.where(indents < lengths, ends - lengths + indents, len(text))
    # Tokens without a visible character have no label.
    states[len(text)] = UNKNOWN
    return QUOTED[states[visible]]
