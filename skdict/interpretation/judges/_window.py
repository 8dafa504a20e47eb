"""Windows of text as a judge is shown them."""

import re
from dataclasses import dataclass, replace

import numpy as np

from skdict.interpretation.ratings._items import marked_text, readable

WORDS = re.compile(r"\s?\w+|\s?[^\w\s]+|\s+")


@dataclass(frozen=True, eq=False)
class Window:
    """A window of text that a judge is shown; `str` marks tokens in ``<< >>``.

    Parameters
    ----------
    pieces : tuple of str
        The tokens as text.
    marked : ndarray of bool, shape (n_tokens,), or None, default=None
        The tokens that are marked; None where the judge is shown no marks.
    token_ids : ndarray of int, shape (n_tokens,), or None, default=None
        Their numbers, for judges that simulate.
    position : int, default=0
        Position of the first token in its document.

    Examples
    --------
    >>> from skdict.interpretation import Window
    >>> window = Window.from_text("see a<< cat>> run")
    >>> window.pieces, window.marked.tolist(), str(window)
    (('see', ' a', ' cat', ' run'), [False, False, True, False], 'see a<< cat>> run')
    """

    pieces: tuple
    marked: np.ndarray | None = None
    token_ids: np.ndarray | None = None
    position: int = 0

    @classmethod
    def from_text(cls, text):
        """Return the window of a text, cut into words, marks taken from ``<< >>``.

        Parameters
        ----------
        text : str
            The text; without marks, `marked` is None.

        Returns
        -------
        Window
            Its pieces are words, not tokens.
        """
        pieces, marked = [], []
        for i, part in enumerate(re.split(r"<<(.*?)>>", text, flags=re.DOTALL)):
            words = WORDS.findall(part)
            pieces += words
            marked += [i % 2 == 1] * len(words)
        return cls(tuple(pieces), np.array(marked, dtype=bool) if any(marked) else None)

    @classmethod
    def of(cls, record, vocabulary, marked=None):
        """Return the window of a record.

        Parameters
        ----------
        record : Record
            As `collect_records` gives them.
        vocabulary : sequence of str or None
            The readable piece of each token; without it a token shows as its number.
        marked : ndarray of bool, shape (n_tokens,), or None, default=None
            The tokens to mark.

        Returns
        -------
        Window
            With token ids.
        """
        ids = record.token_ids
        pieces = (f" {i}" if vocabulary is None else readable(vocabulary[i]) for i in ids)
        return cls(tuple(pieces), marked, ids, record.position)

    def without_marks(self):
        """Return the same window, nothing marked.

        Returns
        -------
        Window
            For a judge that is shown no marks.
        """
        return replace(self, marked=None)

    def __str__(self):
        marked = np.zeros(len(self.pieces), dtype=bool) if self.marked is None else self.marked
        return marked_text(self.pieces, marked)
