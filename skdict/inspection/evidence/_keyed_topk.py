"""Keep samples that do not depend on the order of entries and can be merged."""

import numpy as np

from skdict.inspection.evidence._streams import mix


class KeyedTopK:
    """The k entries with the largest keys in each group, at most one per document and content.

    The result does not depend on the order or the number of updates, provided that all entries of
    a document are passed in one update.

    Parameters
    ----------
    k : int
        Number of entries to keep in each group.
    """

    def __init__(self, k):
        self.k = k
        self.columns = None

    def update(self, columns, payload=None):
        """Update with new entries.

        Parameters
        ----------
        columns : dict of str to ndarray of shape (n_entries,)
            Columns `group`, `key`, `document` and `content`, and any others to keep with an entry.
        payload : callable, optional
            Function from the indices of candidate entries to additional columns for them.
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
        """Merge the entries kept from other documents."""
        if other.columns is not None:
            self.update(other.columns)

    def _best(self, columns):
        """Return the indices of the entries to keep, sorted by group and by descending key."""
        group, content = columns["group"], columns["content"]
        order = np.lexsort((columns["document"], content, -columns["key"], group))
        # Keep the best entry of each document, then the best of each content among these.
        for name in ("document", "content"):
            pairs = mix(group[order], columns[name][order])
            order = order[np.sort(np.unique(pairs, return_index=True)[1])]
        _, first, sizes = np.unique(group[order], return_index=True, return_counts=True)
        rank = np.arange(len(order)) - np.repeat(first, sizes)
        return order[rank < self.k]
