"""Quote tokens in sentences."""

from skdict._text import printable, readable
from skdict.interpretation.explainers._surface import mark


class Quoter:
    r"""Quotes of tokens as a reader expects them.

    A space before the first word is dropped, and a lower-case piece without it, which continues a
    word, starts with a hyphen: ``" in"`` is quoted as ``"in"`` and ``"berg"`` as ``"-berg"``.
    Vocabularies in which no token starts with a space are quoted without hyphens. Marks and white
    space are named, such as "commas" and "line breaks". In other tokens, control characters,
    quotation marks and backslashes are escaped as in JSON.

    Parameters
    ----------
    vocabulary : sequence of str or None
        Text of each token. Without a vocabulary, token 7 is quoted as ``<7>``.
    """

    def __init__(self, vocabulary):
        self._vocabulary = vocabulary
        self._spaced = None

    def text(self, ids):
        """Return the text of a run of tokens."""
        if self._vocabulary is None:
            return "".join(f"<{i}>" for i in ids)
        return readable("".join(self._vocabulary[i] for i in ids))

    def is_part(self, ids):
        """Return True if a run of tokens continues a word."""
        if self._vocabulary is None or not self._vocabulary[ids[0]][:1].islower():
            return False
        if self._spaced is None:
            self._spaced = any(text.startswith(" ") for text in self._vocabulary)
        return self._spaced

    def quote(self, ids, singular=False, length=24):
        """Quote a run of tokens, or name it if it is a mark.

        Parameters
        ----------
        ids : tuple of int
            Token ids.
        singular : bool, default=False
            If True, name a single mark, such as "a comma", rather than the kind, "commas".
        length : int, default=24
            Maximum number of characters between the quotation marks; of longer texts, the end is
            kept.

        Returns
        -------
        str
        """
        text = self.text(ids)
        if self._vocabulary is None:
            return text
        if (named := mark(text)) is not None:
            return named[0 if singular else 1]
        bare = text[1:] if text.startswith(" ") else text
        bare = f"-{bare}" if self.is_part(ids) else bare
        return f'"{_shortened([_escaped(c) for c in bare], length)}"'


def _shortened(characters, length):
    """Join characters, keeping as many at the end as fit."""
    if sum(map(len, characters)) <= length:
        return "".join(characters)
    kept = []
    for c in reversed(characters):
        if sum(map(len, kept)) + len(c) >= length:
            break
        kept.append(c)
    return "…" + "".join(reversed(kept))


def _escaped(character):
    return f"\\{character}" if character in '"\\' else printable(character)


def joined(parts, word):
    """Join parts as in running text, with "and" or "or" before the last.

    Parameters
    ----------
    parts : list of str
        Parts, at least one.
    word : {"and", "or"}
        Conjunction.

    Returns
    -------
    str

    Examples
    --------
    >>> joined(["a", "b", "c"], "or")
    'a, b or c'
    """
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"
