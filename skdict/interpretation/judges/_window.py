"""Windows of text as they are shown to a judge."""

import re
from dataclasses import dataclass, replace

import numpy as np

from skdict.interpretation.ratings._items import marked_text, readable

WORDS = re.compile(r"\s?\w+|\s?[^\w\s]+|\s+")


@dataclass(frozen=True, eq=False)
class Window:
    """Window of text shown to a judge; `str` encloses marked tokens in ``<< >>``.

    Parameters
    ----------
    pieces : tuple of str
        Text of each token.
    marked : ndarray of bool, shape (n_tokens,), or None, default=None
        True for marked tokens. None means that the judge is shown no marks.
    token_ids : ndarray of int, shape (n_tokens,), or None, default=None
        Token ids, required by judges that predict codes by rules.
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
        """Return a window for a text, split into words, with marks parsed from ``<< >>``.

        Parameters
        ----------
        text : str
            Text of the window. If it contains no marks, `marked` is None.

        Returns
        -------
        Window
            Window whose pieces are words instead of tokens.
        """
        pieces, marked = [], []
        for i, part in enumerate(re.split(r"<<(.*?)>>", text, flags=re.DOTALL)):
            words = WORDS.findall(part)
            pieces += words
            marked += [i % 2 == 1] * len(words)
        return cls(tuple(pieces), np.array(marked, dtype=bool) if any(marked) else None)

    @classmethod
    def of(cls, record, vocabulary, marked=None):
        """Return the window for a record.

        Parameters
        ----------
        record : Record
            Record returned by `collect_records`.
        vocabulary : sequence of str or None
            Readable text of each token. None shows token ids instead.
        marked : ndarray of bool, shape (n_tokens,), or None, default=None
            True for tokens to mark.

        Returns
        -------
        Window
            Window with token ids.
        """
        ids = record.token_ids
        pieces = (f" {i}" if vocabulary is None else readable(vocabulary[i]) for i in ids)
        return cls(tuple(pieces), marked, ids, record.position)

    def without_marks(self):
        """Return a copy of the window without marks.

        Returns
        -------
        Window
            Window for a judge that is shown no marks.
        """
        return replace(self, marked=None)

    def __str__(self):
        marked = np.zeros(len(self.pieces), dtype=bool) if self.marked is None else self.marked
        return marked_text(self.pieces, marked)
