"""Conditions on tokens and their context, one class for each way of evaluating them.

A condition is made from values and the columns that stand for them. Its ``entries(tokens)`` are
the rows, columns and weights at which the values hold, each pair of row and column once.
"""

from functools import partial

import numpy as np
import scipy.sparse

from skdict.interpretation.explainers._document_state import document_ranges, document_states
from skdict.interpretation.explainers._spellings import SPELLINGS

# Number of preceding tokens that count as near, and the decay of their weight per token.
WINDOW, DECAY = 16, 0.9
# Number of preceding tokens in which members of a topic are counted.
TOPIC_WINDOW = 128
N_BUCKETS = 11
CHUNK_ROWS = 16_384


class Lookup:
    """Map from numbers to columns, with -1 for numbers without a column."""

    def __init__(self, numbers, columns):
        numbers, columns = np.asarray(numbers, dtype=np.int64), np.asarray(columns)
        order = np.argsort(numbers)
        self._numbers, self._columns = numbers[order], columns[order]

    def __call__(self, numbers):
        at = np.minimum(np.searchsorted(self._numbers, numbers), len(self._numbers) - 1)
        return np.where((self._numbers[at] == numbers) & (numbers >= 0), self._columns[at], -1)


class Suffixes:
    """The text ends in given tokens."""

    def __init__(self, grams, columns):
        # Compact ids from 1 for tokens that occur in suffixes, 0 for all others.
        self._tokens = np.unique([i for gram in grams for i in gram])
        by_order = {}
        for gram, column in zip(grams, columns, strict=True):
            by_order.setdefault(len(gram), []).append((gram, column))
        self._lookups = {order: self._lookup(pairs) for order, pairs in by_order.items()}

    def entries(self, tokens):
        small, found = [], []
        for offset in range(max(self._lookups)):
            ids = _back(tokens, offset)
            at = np.minimum(np.searchsorted(self._tokens, ids), len(self._tokens) - 1)
            small.append(np.where(self._tokens[at] == ids, at + 1, 0))
            if offset + 1 in self._lookups:
                found.append(_held(self._lookups[offset + 1](self._keys(small))))
        return _join(found)

    def _lookup(self, pairs):
        grams, columns = zip(*pairs, strict=True)
        small = 1 + np.searchsorted(self._tokens, np.array(grams))
        return Lookup(self._keys(list(small.T[::-1])), columns)

    def _keys(self, backwards):
        """Encode the last tokens at each position as one number, starting from the last token."""
        if float(len(self._tokens) + 1) ** len(backwards) >= 2.0**63:
            raise ValueError(
                f"rules over {len(backwards)} tokens use {len(self._tokens)} distinct tokens, "
                f"which is too many; lower order or budget"
            )
        key, known = 0, True
        for ids in backwards:
            key = key * (len(self._tokens) + 1) + ids
            known = known & (ids > 0)
        return np.where(known, key, -1)


class Near:
    """A given token is among the preceding ones, with a weight that decays with distance."""

    def __init__(self, ids, columns, window=WINDOW, decay=DECAY):
        self._lookup, self._window, self._decay = Lookup(ids, columns), window, decay

    def entries(self, tokens):
        offsets = range(1, min(self._window, len(tokens) - 1) + 1)
        found = [
            _held(self._lookup(_back(tokens, offset)), self._decay**offset) for offset in offsets
        ]
        return _sum(_join(found), len(tokens))


class Members:
    """A token is among given ones.

    Parameters
    ----------
    groups : sequence of tuple of int
        Token ids of each group.
    columns : sequence of int
        Column of each group.
    offset : {0, 1}
        Number of tokens to go back: 0 for the token itself, 1 for the preceding one.
    """

    def __init__(self, groups, columns, offset=0):
        ids = np.concatenate([np.asarray(group, dtype=np.int64) for group in groups])
        columns = np.repeat(columns, [len(group) for group in groups])
        self._groups = scipy.sparse.csr_array((np.ones(len(ids)), (ids, columns)))
        self._offset = offset

    def entries(self, tokens):
        ids = _back(tokens, self._offset)
        rows = np.flatnonzero((ids >= 0) & (ids < self._groups.shape[0]))
        held = self._groups[ids[rows]]
        return np.repeat(rows, np.diff(held.indptr)), held.indices, held.data


class Topics:
    """Tokens among given ones occurred before: c / (c + 1) for c of the 128 preceding tokens."""

    def __init__(self, groups, columns):
        self._members = Members(groups, columns)

    def entries(self, tokens):
        rows, columns, _ = self._members.entries(tokens)
        _, ends = document_ranges(tokens.documents)
        found = []
        for start in range(0, len(rows), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            n = np.minimum(ends[rows[part]] - 1, rows[part] + TOPIC_WINDOW) - rows[part]
            after = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
            found.append(
                _sum(
                    (np.repeat(rows[part], n) + 1 + after, np.repeat(columns[part], n), None),
                    len(tokens),
                )
            )
        rows, columns, counts = _sum(_join(found), len(tokens))
        return rows, columns, counts / (counts + 1)


class Spellings:
    """A token is written in a certain way."""

    def __init__(self, names, columns, offset=0):
        self._names, self._columns, self._offset = names, np.array(columns), offset

    def entries(self, tokens):
        ids = _back(tokens, self._offset)
        used, where = np.unique(ids, return_inverse=True)
        pieces = ["" if i < 0 else tokens.vocabulary[i] for i in used]
        holds = [[SPELLINGS[name](piece) for piece in pieces] for name in self._names]
        at, rows = np.nonzero(np.array(holds)[:, where])
        return rows, self._columns[at], np.ones(len(rows))


class States:
    """The document is in a certain state, such as inside quotes."""

    def __init__(self, names, columns):
        self._names, self._columns = names, np.array(columns)

    def entries(self, tokens):
        states = document_states(tokens)
        at, rows = np.nonzero([states[name] for name in self._names])
        return rows, self._columns[at], np.ones(len(rows))


class Tokens:
    """A number that follows from the row, such as the preceding token, is a given one."""

    def __init__(self, numbers, columns, number_of):
        self._lookup, self._number_of = Lookup(numbers, columns), number_of

    def entries(self, tokens):
        return _held(self._lookup(self._number_of(tokens)))


def position_bucket(tokens):
    """Return floor(log2(position + 1)), at most 10."""
    return np.minimum(np.log2(tokens.positions + 1.0).astype(np.int64), N_BUCKETS - 1)


def _back(tokens, offset):
    return tokens.back(offset) if offset < len(tokens) else np.full(len(tokens), -1)


def _held(columns, weight=1.0):
    """Return the entries of rows that have a column."""
    rows = np.flatnonzero(columns >= 0)
    return rows, columns[rows], np.full(len(rows), weight)


def _join(parts):
    """Concatenate entries."""
    if not parts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    return tuple(map(np.concatenate, zip(*parts, strict=True)))


def _sum(entries, n_rows):
    """Add the weights of equal pairs of row and column; weights of None count as 1."""
    rows, columns, weights = entries
    if weights is None:
        weights = np.ones(len(rows))
    shape = n_rows, columns.max(initial=0) + 1
    total = scipy.sparse.csr_array((weights, (rows, columns)), shape=shape).tocoo()
    return (*total.coords, total.data)


CONDITIONS = {
    "suffix": Suffixes,
    "class": Members,
    "spelling": Spellings,
    "previous": partial(Tokens, number_of=partial(_back, offset=1)),
    "previous class": partial(Members, offset=1),
    "previous spelling": partial(Spellings, offset=1),
    "near": Near,
    "topic": Topics,
    "state": States,
    "position": partial(Tokens, number_of=position_bucket),
}
