"""Terms that explanations are made of, and the matrix of the positions at which they hold.

Every rule-based explanation is a weighted sum of terms, so one sparse product predicts the codes
of all features at once.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse

from skdict.interpretation.explainers._conditions import CONDITIONS


class Term(NamedTuple):
    """Condition on a token and its context.

    Parameters
    ----------
    kind : str
        Type of condition. About the token: "suffix", the text up to it ends in the given tokens;
        "class", it is one of the given tokens; "spelling", how it is written. About the preceding
        token: "previous", it is the given one; "previous class" and "previous spelling". About
        the text before: "near", the given token is among the 16 preceding tokens, weighted by 0.9
        to the power of the distance; "topic", c / (c + 1) for c preceding tokens, of 128, among
        the given ones; "state", such as "in quotes"; "position", the position in powers of two.
        "both": the product of two terms.
    value : tuple of int, int, str or tuple of Term
        Token ids of a suffix, class or topic; a token id; the name of a spelling or state; the
        index of a position bucket; or the two terms of a product.
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
        terms = list(terms)
        products = [term for term in terms if term.kind == "both"]
        plain = [term for term in terms if term.kind != "both"]
        single = [*plain, *(side for term in products for side in term.value)]
        column_of = {term: column for column, term in enumerate(dict.fromkeys(single))}
        self.n_terms, self._n_single, self._n_plain = len(terms), len(column_of), len(plain)
        sides = [[column_of[side] for side in term.value] for term in products]
        self._sides = np.array(sides, dtype=np.int64).reshape(-1, 2).T
        place = {term: i for i, term in enumerate([*plain, *products])}
        self._order = np.array([place[term] for term in terms], dtype=np.int64)
        values = {}
        for (kind, value), column in column_of.items():
            values.setdefault(kind, []).append((value, column))
        self._conditions = [
            CONDITIONS[kind](*zip(*own, strict=True)) for kind, own in values.items()
        ]

    def transform(self, tokens):
        """Return the term matrix of some tokens, a csr_array of shape (n_tokens, n_terms).

        Parameters
        ----------
        tokens : TokenBlock
            Tokens of whole documents.
        """
        single = self._transform_single(tokens)
        if not self._sides.size:
            return single
        single = single.tocsc()
        left, right = (single[:, side] for side in self._sides)
        matrix = scipy.sparse.hstack([single[:, : self._n_plain], left.multiply(right)], "csc")
        return matrix[:, self._order].tocsr()

    def _transform_single(self, tokens):
        parts = [condition.entries(tokens) for condition in self._conditions if len(tokens)]
        shape = len(tokens), self._n_single
        if not parts:
            return scipy.sparse.csr_array(shape, dtype=np.float32)
        rows, columns, weights = map(np.concatenate, zip(*parts, strict=True))
        return scipy.sparse.csr_array((weights.astype(np.float32), (rows, columns)), shape=shape)
