"""Random keys that depend on what is drawn, not on when: samples that can be merged."""

import numpy as np

_ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


def mix(*values):
    """Return 64 well-mixed bits for each tuple of whole numbers (the finaliser of splitmix64)."""
    bits = np.uint64(0)
    with np.errstate(over="ignore"):
        for value in values:
            bits = _scramble(bits * _ODD + np.asarray(value).astype(np.uint64) + _ODD)
    return bits


def _scramble(bits):
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return bits ^ (bits >> np.uint64(31))


def uniform(*values):
    """Return a number above 0 and at most 1 for each tuple of whole numbers."""
    return ((mix(*values) >> np.uint64(11)).astype(np.float64) + 1) * 2.0**-53


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
