"""Terms that explanations are made of, and the positions in a text at which they hold.

Every rule-based explanation is a weighted sum of terms, so one sparse product predicts the codes
of all features at once.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse

# Number of preceding tokens that count as near, and the decay of their weight per token.
WINDOW, DECAY = 16, 0.9
N_BUCKETS = 11
SPELLINGS = {
    "a leading space": lambda piece: piece.startswith(" "),
    "a capital": lambda piece: piece.strip()[:1].isupper(),
    "a digit": lambda piece: any(map(str.isdigit, piece)),
    "punctuation": lambda piece: (
        bool(piece.strip()) and not any(c.isalnum() for c in piece.strip())
    ),
    "a line break": lambda piece: "\n" in piece,
    "a single character": lambda piece: len(piece.strip()) == 1,
}


class Term(NamedTuple):
    """Condition on a token and its context.

    Parameters
    ----------
    kind : {"suffix", "previous", "near", "spelling", "position"}
        Type of condition. "suffix": the text up to this token ends in the given tokens.
        "previous": the preceding token is the given one. "near": the given token is among the 16
        preceding tokens, weighted by 0.9 to the power of the distance. "spelling": how the token
        is written. "position": the position of the token, in powers of two.
    value : tuple of int, int or str
        Token ids of a suffix, a token id, the name of a spelling, or the index of a position
        bucket.
    """

    kind: str
    value: object


class TermMatrix:
    """Matrix with one column per term, which is nonzero where the term holds.

    Parameters
    ----------
    terms : sequence of Term
        Distinct terms.
    """

    def __init__(self, terms):
        self.terms = list(terms)
        self._columns = {}
        for column, (kind, value) in enumerate(self.terms):
            kind = f"suffix {len(value)}" if kind == "suffix" else kind
            self._columns.setdefault(kind, []).append((value, column))
        self._orders = sorted(int(k.split()[1]) for k in self._columns if k.startswith("suffix"))
        tokens = {i for kind, value in self.terms if kind == "suffix" for i in value}
        # Compact ids from 1 for tokens that occur in suffixes, 0 for all others.
        self._tokens = np.array(sorted(tokens), dtype=np.int64)
        self._suffixes = {order: self._suffix_lookup(order) for order in self._orders}
        self._single = {
            kind: _Lookup(*zip(*self._columns[kind], strict=True))
            for kind in ("previous", "near", "position")
            if kind in self._columns
        }

    def transform(self, tokens):
        """Return the term matrix of some tokens, a csr_array of shape (n_tokens, n_terms).

        Parameters
        ----------
        tokens : TokenBlock
            Tokens of whole documents.
        """
        slots = list(self._suffix_slots(tokens))
        if "previous" in self._single:
            slots.append((self._single["previous"](tokens.back(1)), 1.0))
        if "near" in self._single:
            slots += [
                (self._single["near"](tokens.back(offset)), DECAY**offset)
                for offset in range(1, min(WINDOW, len(tokens) - 1) + 1)
            ]
        if "position" in self._single:
            slots.append((self._single["position"](position_bucket(tokens.positions)), 1.0))
        slots += [(np.where(holds, c, -1), 1.0) for holds, c in self._spelling_slots(tokens)]
        return _csr(slots, len(tokens), len(self.terms))

    def _suffix_lookup(self, order):
        grams, columns = zip(*self._columns[f"suffix {order}"], strict=True)
        small = 1 + np.searchsorted(self._tokens, np.array(grams))
        return _Lookup(self._keys(list(small.T[::-1])), columns)

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

    def _suffix_slots(self, tokens):
        small = []
        for offset in range(max(self._orders, default=0)):
            ids = tokens.back(offset) if offset < len(tokens) else np.full(len(tokens), -1)
            at = np.minimum(np.searchsorted(self._tokens, ids), len(self._tokens) - 1)
            small.append(np.where(self._tokens[at] == ids, at + 1, 0))
            if offset + 1 in self._suffixes:
                yield self._suffixes[offset + 1](self._keys(small)), 1.0

    def _spelling_slots(self, tokens):
        if "spelling" not in self._columns:
            return
        used, where = np.unique(tokens.token_ids, return_inverse=True)
        pieces = [tokens.vocabulary[i] for i in used]
        for name, column in self._columns["spelling"]:
            yield np.array([SPELLINGS[name](piece) for piece in pieces])[where], column


class _Lookup:
    """Map from numbers to columns, with -1 for numbers without a column."""

    def __init__(self, numbers, columns):
        numbers, columns = np.asarray(numbers, dtype=np.int64), np.asarray(columns)
        order = np.argsort(numbers)
        self._numbers, self._columns = numbers[order], columns[order]

    def __call__(self, numbers):
        at = np.minimum(np.searchsorted(self._numbers, numbers), len(self._numbers) - 1)
        return np.where((self._numbers[at] == numbers) & (numbers >= 0), self._columns[at], -1)


def position_bucket(positions):
    """Return floor(log2(position + 1)), at most 10."""
    return np.minimum(np.log2(positions + 1.0).astype(np.int64), N_BUCKETS - 1)


def _csr(slots, n_rows, n_columns):
    """Return a sparse matrix with at most one column per slot and row."""
    if not slots:
        return scipy.sparse.csr_array((n_rows, n_columns), dtype=np.float32)
    columns = np.stack([c for c, _ in slots], axis=1).astype(np.int32)
    held = columns >= 0
    weights = np.array([w for _, w in slots], dtype=np.float32)
    data = np.broadcast_to(weights, columns.shape)[held]
    pointers = np.concatenate([[0], np.cumsum(held.sum(axis=1))])
    return scipy.sparse.csr_array((data, columns[held], pointers), shape=(n_rows, n_columns))
