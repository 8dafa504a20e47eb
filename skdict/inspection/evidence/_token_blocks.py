"""Store tokens as plain columns, without the activations."""

import numpy as np


class TokenBlock:
    """Tokens of some rows, as plain columns.

    Parameters
    ----------
    documents, positions, token_ids : ndarray of int, shape (n_tokens,)
        Document, position and token id of each row, as in `Activations`; documents are whole.
    vocabulary : sequence of str or None, default=None
        Readable text of each token id.
    """

    def __init__(self, documents, positions, token_ids, vocabulary=None):
        self.documents = np.asarray(documents, dtype=np.int64)
        self.positions = np.asarray(positions, dtype=np.int64)
        self.token_ids = np.asarray(token_ids, dtype=np.int64)
        self.vocabulary = vocabulary

    @classmethod
    def of(cls, activations):
        """Return the tokens of `Activations`."""
        a = activations
        return cls(a.documents, a.positions, a.token_ids, a.vocabulary)

    @classmethod
    def of_windows(cls, windows, vocabulary=None):
        """Return the tokens of windows, with each window as a separate document.

        Parameters
        ----------
        windows : sequence of Record, or of objects with `token_ids` and `position`
            Windows, at least one; they are numbered from 0 in this order.
        vocabulary : sequence of str, dict of int to str, or None, default=None
            Readable text of each token id.

        Returns
        -------
        TokenBlock
            Tokens at their positions in the documents that the windows were cut from.
        """
        sizes = [len(window.token_ids) for window in windows]
        documents = np.repeat(np.arange(len(windows)), sizes)
        positions = [window.position + np.arange(len(window.token_ids)) for window in windows]
        token_ids = [window.token_ids for window in windows]
        return cls(documents, np.concatenate(positions), np.concatenate(token_ids), vocabulary)

    def __len__(self):
        return len(self.token_ids)

    def __getitem__(self, rows):
        columns = (column[rows] for column in (self.documents, self.positions, self.token_ids))
        return TokenBlock(*columns, self.vocabulary)

    def back(self, offset):
        """Return the token id `offset` tokens before each row.

        Parameters
        ----------
        offset : int
            Number of tokens to go back.

        Returns
        -------
        ndarray of shape (n_rows,), dtype int64
            Token ids; -1 where the document has no such token.
        """
        if offset == 0:
            return self.token_ids
        found = np.full(len(self), -1, dtype=np.int64)
        same = (self.documents[offset:] == self.documents[:-offset]) & (
            self.positions[offset:] - self.positions[:-offset] == offset
        )
        found[offset:][same] = self.token_ids[:-offset][same]
        return found
