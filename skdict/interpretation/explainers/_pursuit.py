"""Selection of the terms that best predict the codes of a feature."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse

RIDGE = 0.5
# A term must explain at least this fraction of the variance of the codes.
MIN_GAIN = 1e-4
# Single terms kept for a feature; terms about the token that are narrowed down by a second term;
# and second terms for each of them.
N_SINGLE, N_NARROWED, N_SECOND = 64, 8, 8
# Terms that hold on at least this many rows have their counts within them stored.
MANY_ROWS = 1024
CHUNK_FEATURES = 256


class Selected(NamedTuple):
    """Selected term or product of two terms.

    Parameters
    ----------
    columns : tuple of int
        Columns of the terms.
    weight : float
        Weight in the prediction.
    importance : float
        Absolute weight times the norm of the centred term.
    """

    columns: tuple
    weight: float
    importance: float


class Pursuit:
    r"""Orthogonal matching pursuit over terms and products of two terms.

    For a feature with codes c, single terms are ranked by the squared error that they remove on
    their own. Each of the leading terms about the token is then multiplied with every other term,
    and the products that remove most of the remaining error are candidates as well. Matching
    pursuit selects among all candidates, one at a time, and refits all weights with a ridge
    penalty of 0.5; it needs only their products with one another and with the codes.

    Parameters
    ----------
    matrix : csr_array of shape (n_tokens, n_terms)
        Values of the terms.
    first, second : ndarray of bool, shape (n_terms,)
        Terms that can be the first and the second one of a product.
    """

    def __init__(self, matrix, first, second):
        self._rows, self._columns = matrix, matrix.tocsc()
        self._first, self._excluded = first, np.flatnonzero(~second)
        self._mass = np.asarray(matrix.sum(axis=0, dtype=np.float64))
        squares = np.asarray(matrix.power(2).sum(axis=0, dtype=np.float64))
        centred = squares - self._mass**2 / matrix.shape[0]
        # A term that holds on no token, or on all of them, explains nothing.
        self._norm = np.where(centred > 1e-9, centred + RIDGE, np.inf)
        self._counts = {}

    def select(self, codes, budget):
        """Yield the selected terms and their weights for each feature.

        Parameters
        ----------
        codes : csc_array of shape (n_tokens, n_features)
            Non-negative codes.
        budget : int
            Maximum number of terms.

        Yields
        ------
        list of Selected
            Terms and products.
        """
        for start in range(0, codes.shape[1], CHUNK_FEATURES):
            part = codes[:, start : start + CHUNK_FEATURES]
            cross = (self._columns.T @ part).toarray()
            for j in range(part.shape[1]):
                own = slice(part.indptr[j], part.indptr[j + 1])
                yield self._select(part.indices[own], part.data[own], cross[:, j], budget)

    def _select(self, rows, values, cross, budget):
        """Select terms for the codes that are `values` on `rows` and 0 elsewhere."""
        n_rows = self._rows.shape[0]
        codes = np.zeros(n_rows)
        codes[rows] = values
        mean = codes.mean()
        variance = np.square(codes - mean).sum()
        enough = MIN_GAIN * variance
        single = _largest((cross - self._mass * mean) ** 2 / self._norm, N_SINGLE, enough)
        if not len(single):
            return []
        narrowed = [i for i in single if self._first[i]][:N_NARROWED]
        narrowed = [(i, self._second_terms(i, codes, enough)) for i in narrowed]
        terms = [(int(i),) for i in single]
        terms += [(int(i), int(k)) for i, seconds in narrowed for k in seconds]
        columns = _Centred(self._matrix(single, narrowed))
        chosen, weights = pursue(columns, columns.products(codes), budget, enough)
        spread = np.sqrt(columns.squares[chosen])
        return [
            Selected(terms[i], float(weight), float(abs(weight) * size))
            for i, weight, size in zip(chosen, weights, spread, strict=True)
        ]

    def _second_terms(self, term, codes, enough):
        """Return the terms whose products with a given term remove most of its error."""
        rows, _ = self._column(term)
        codes = codes[rows]
        active = np.flatnonzero(codes)
        fired = self._rows[rows[active]]
        weights = fired.data * np.repeat(codes[active], np.diff(fired.indptr))
        total = np.bincount(fired.indices, weights=weights, minlength=len(self._mass))
        n = self._counts_within(term)
        expected = n * (codes.sum() / (len(rows) + RIDGE))
        gain = np.square(total - expected) / (n + RIDGE)
        # A product with a term that always holds there adds nothing.
        gain[n >= len(rows)] = 0
        gain[self._excluded] = 0
        return _largest(gain, N_SECOND, enough)

    def _counts_within(self, term):
        """Return the sum of each term over the rows of a given term."""
        found = self._counts.get(term)
        if found is None:
            rows, _ = self._column(term)
            held = self._rows[rows]
            found = np.bincount(held.indices, weights=held.data, minlength=len(self._mass))
            if len(rows) >= MANY_ROWS:
                self._counts[term] = found = found.astype(np.float32)
        return found

    def _column(self, term):
        own = slice(self._columns.indptr[term], self._columns.indptr[term + 1])
        return self._columns.indices[own], self._columns.data[own]

    def _matrix(self, single, narrowed):
        """Return the columns of single terms, and of products with second terms.

        `narrowed` holds pairs of a term and its second terms.
        """
        columns = [self._column(term) for term in single]
        weight = np.zeros(self._rows.shape[0])
        for term, seconds in narrowed:
            rows, values = self._column(term)
            weight[rows] = values
            for second in seconds:
                others, factors = self._column(second)
                product = weight[others] * factors
                held = np.flatnonzero(product)
                columns.append((others[held], product[held]))
            weight[rows] = 0
        rows, values = zip(*columns, strict=True)
        pointers = np.cumsum([0, *map(len, rows)])
        entries = np.concatenate(values, dtype=np.float64), np.concatenate(rows), pointers
        return scipy.sparse.csc_array(entries, shape=(len(weight), len(columns)))


class _Centred:
    """Products of centred columns with one another and with codes.

    Parameters
    ----------
    matrix : csc_array of shape (n_tokens, n_terms)
        Columns before centring.
    """

    def __init__(self, matrix):
        self._matrix = matrix
        self._mean = np.asarray(matrix.sum(axis=0)) / matrix.shape[0]
        squares = np.asarray(matrix.power(2).sum(axis=0))
        self.squares = np.maximum(squares - matrix.shape[0] * self._mean**2, 0)

    def products(self, values):
        """Return the products of all columns with some values."""
        return self._matrix.T @ values - self._mean * values.sum()

    def products_with(self, column):
        """Return the products of all columns with one of them."""
        own = slice(self._matrix.indptr[column], self._matrix.indptr[column + 1])
        values = np.zeros(self._matrix.shape[0])
        values[self._matrix.indices[own]] = self._matrix.data[own]
        return self.products(values)


def pursue(columns, target, budget, enough):
    """Select terms by matching pursuit; return their indices and weights.

    Parameters
    ----------
    columns : _Centred
        Columns of the terms.
    target : ndarray of shape (n_terms,)
        Products of the centred terms with the codes.
    budget : int
        Maximum number of terms.
    enough : float
        Squared error that a further term must remove.
    """
    residual, chosen, weights = target, [], np.zeros(0)
    # Products of the chosen columns with all columns.
    gram = np.zeros((0, len(target)))
    for _ in range(min(budget, len(target))):
        gain = residual**2 / (columns.squares + RIDGE)
        gain[chosen] = 0
        best = int(gain.argmax())
        if gain[best] <= enough:
            break
        chosen.append(best)
        gram = np.vstack([gram, columns.products_with(best)])
        system = gram[:, chosen] + RIDGE * np.eye(len(chosen))
        weights = scipy.linalg.solve(system, target[chosen], assume_a="pos")
        residual = target - weights @ gram
    return chosen, weights


def _largest(gain, k, enough):
    """Return the indices of the k largest gains above a limit, largest first."""
    found = np.flatnonzero(gain > enough)
    if len(found) > k:
        found = found[np.argpartition(-gain[found], k)[:k]]
    return found[np.lexsort((found, -gain[found]))]
