"""Cut a block of documents into windows, and find where features fire in them."""

import numpy as np

from skdict.inspection.evidence._documents import document_bounds
from skdict.inspection.evidence._streams import mix


class BlockWindows:
    """Windows of a block of whole documents."""

    def __init__(self, tokens, length):
        bounds = document_bounds(tokens.documents)
        row = np.arange(len(tokens)) - np.repeat(bounds[:-1], np.diff(bounds))
        self.starts = np.flatnonzero(row % length == 0)
        self.sizes = np.diff([*self.starts, len(tokens)])
        self.of_row = np.repeat(np.arange(len(self.starts)), self.sizes)
        self.offset = row % length
        self.length = length
        self.document = tokens.documents[self.starts]
        self.position = tokens.positions[self.starts]
        self.token_ids = tokens.token_ids
        # A sum of hashed (offset, token) pairs, equal for windows with the same tokens.
        with np.errstate(over="ignore"):
            self.content = np.add.reduceat(mix(self.offset, tokens.token_ids), self.starts)

    def __len__(self):
        return len(self.starts)

    def columns(self, windows):
        """Return the columns that identify windows."""
        return {
            "document": self.document[windows],
            "content": self.content[windows],
            "position": self.position[windows],
        }

    def tokens(self, windows):
        """Return the tokens of windows, padded with -1."""
        rows = self.starts[windows][:, None] + np.arange(self.length)
        inside = np.arange(self.length) < self.sizes[windows][:, None]
        return {"tokens": np.where(inside, self.token_ids.take(rows, mode="clip"), -1)}


class Firings:
    """Windows of a block in which each feature fires, one entry per (window, feature) pair."""

    def __init__(self, codes, windows):
        rows = np.repeat(np.arange(codes.shape[0]), np.diff(codes.indptr))
        positive = codes.data > 0
        rows, columns, self._values = rows[positive], codes.indices[positive], codes.data[positive]
        pair = windows.of_row[rows] * codes.shape[1] + columns
        self._order = np.argsort(pair, kind="stable")
        pair = pair[self._order]
        starts = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]])[: len(pair)])
        self._ends = np.concatenate([starts, [len(pair)]])
        self.window, self.feature = np.divmod(pair[starts], codes.shape[1])
        self._offset, self._length = windows.offset[rows], windows.length
        if len(starts):
            self.largest = np.maximum.reduceat(self._values[self._order], starts)
        else:
            self.largest = np.zeros(0, dtype=np.float32)

    def codes(self, entries):
        """Return the codes of whole windows for the given entries."""
        filled = np.zeros((len(entries), self._length), dtype=np.float32)
        for i, entry in enumerate(entries):
            at = self._order[self._ends[entry] : self._ends[entry + 1]]
            filled[i, self._offset[at]] = self._values[at]
        return {"codes": filled}
