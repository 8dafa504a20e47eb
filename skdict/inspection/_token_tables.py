"""Count the tokens each feature fires on, as sums over (feature, token) pairs."""

from dataclasses import dataclass, fields

import numpy as np

# A (feature, token) pair is encoded as one integer: feature * 2**32 + token id.
_TOKEN_BITS = 32
_TOKEN_MASK = (1 << _TOKEN_BITS) - 1
_LEAST_PENDING = 1 << 16


@dataclass(frozen=True, eq=False)
class TokenTable:
    """Tokens that one feature fires on, as columns of equal length.

    Parameters
    ----------
    token_ids : ndarray of int, shape (n_tokens,)
        Token ids.
    tokens : list of str
        Readable text of each token.
    firings : ndarray of int, shape (n_tokens,)
        Number of occurrences of the token on which the feature fires.
    occurrences : ndarray of int, shape (n_tokens,)
        Number of occurrences of the token.
    probability : ndarray of float, shape (n_tokens,)
        Probability that the feature fires given the token, `firings` / `occurrences`.
    lift : ndarray of float, shape (n_tokens,)
        `probability` divided by the feature's density; 1 is chance level.
    share : ndarray of float, shape (n_tokens,)
        Share of the feature's total code that falls on the token.
    """

    token_ids: np.ndarray
    tokens: list
    firings: np.ndarray
    occurrences: np.ndarray
    probability: np.ndarray
    lift: np.ndarray
    share: np.ndarray

    def __len__(self):
        return len(self.token_ids)

    def to_frame(self):
        """Return the table as a data frame; requires pandas.

        Returns
        -------
        pandas.DataFrame
            One row per token.
        """
        import pandas as pd

        return pd.DataFrame({f.name: getattr(self, f.name) for f in fields(self)})


class PairSums:
    """Number and sum of the codes of each (feature, token) pair.

    New entries are buffered and merged only once the buffer is larger than a quarter of the sums
    kept, so that a long pass spends little time on sorting and uses little extra memory.
    """

    def __init__(self):
        self._kept = _empty_pairs()
        self._pending = []
        self._n_pending = 0

    def add(self, features, token_ids, values):
        """Add codes with their features and tokens, each an array of shape (n_entries,)."""
        keys = (np.asarray(features, dtype=np.int64) << _TOKEN_BITS) | token_ids
        self._set_aside(_added_up(keys, np.ones(len(keys), dtype=np.int64), values))

    def merge(self, other):
        """Merge the sums of other rows."""
        self._set_aside(other.pairs())

    def pairs(self):
        """Return the encoded pairs in ascending order, with their counts and sums."""
        if self._pending:
            parts = zip(self._kept, *self._pending, strict=True)
            self._kept = _added_up(*map(np.concatenate, parts))
            self._pending, self._n_pending = [], 0
        return self._kept

    def of_feature(self, feature):
        """Return the token ids (ascending), counts and sums of one feature."""
        keys, numbers, sums = self.pairs()
        span = slice(*np.searchsorted(keys, [feature << _TOKEN_BITS, (feature + 1) << _TOKEN_BITS]))
        return keys[span] & _TOKEN_MASK, numbers[span], sums[span]

    def shares(self, n_features):
        """Return the feature of each pair, and the pair's share of the feature's total code."""
        keys, _, sums = self.pairs()
        feature = keys >> _TOKEN_BITS
        totals = np.bincount(feature, sums, minlength=n_features)
        return feature, sums / totals[feature]

    def _set_aside(self, part):
        self._pending.append(part)
        self._n_pending += len(part[0])
        if self._n_pending > max(_LEAST_PENDING, len(self._kept[0]) // 4):
            self.pairs()


def _empty_pairs():
    return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)


def _added_up(keys, numbers, sums):
    """Merge equal keys, adding up their counts and sums."""
    order = np.argsort(keys, kind="stable")
    keys, numbers, sums = keys[order], numbers[order], sums[order]
    if len(keys) == 0:
        return _empty_pairs()
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[starts], np.add.reduceat(numbers, starts), np.add.reduceat(sums, starts)
