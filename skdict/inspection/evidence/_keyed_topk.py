"""Samples that do not depend on the order in which entries come, and can be merged."""

import numpy as np

from skdict.inspection.evidence._streams import mix


class KeyedTopK:
    """The k entries of largest key in each group, one for each document and content.

    What is kept does not depend on the order or the number of updates, so long as the
    entries of a document come in one update.

    Parameters
    ----------
    k : int
        Entries kept in each group.
    """

    def __init__(self, k):
        self.k = k
        self.columns = None

    def update(self, columns, payload=None):
        """Take entries in.

        Parameters
        ----------
        columns : dict of str to ndarray of shape (n_entries,)
            `group`, `key`, `document`, `content` and whatever else belongs to an entry.
        payload : callable, optional
            From the indices of the entries that may stay to more columns for them.
        """
        kept = self._best(columns)
        columns = {name: values[kept] for name, values in columns.items()}
        if payload is not None:
            columns |= payload(kept)
        if self.columns is not None:
            columns = {
                name: np.concatenate([values, columns[name]])
                for name, values in self.columns.items()
            }
            kept = self._best(columns)
            columns = {name: values[kept] for name, values in columns.items()}
        self.columns = columns

    def merge(self, other):
        """Take in what another has kept of other documents."""
        if other.columns is not None:
            self.update(other.columns)

    def _best(self, columns):
        """Return the indices of the entries that stay, by group, strongest first."""
        group, content = columns["group"], columns["content"]
        order = np.lexsort((columns["document"], content, -columns["key"], group))
        # First the best of each document, then the best of each content among those.
        for name in ("document", "content"):
            pairs = mix(group[order], columns[name][order])
            order = order[np.sort(np.unique(pairs, return_index=True)[1])]
        _, first, sizes = np.unique(group[order], return_index=True, return_counts=True)
        rank = np.arange(len(order)) - np.repeat(first, sizes)
        return order[rank < self.k]
