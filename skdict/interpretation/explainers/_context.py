"""Explainer that fits a short weighted sum of terms about a token and its context."""

import numpy as np
import scipy.linalg
import scipy.sparse
from sklearn.base import BaseEstimator

from skdict._validation import check_number
from skdict.interpretation.explainers._explanation import Explanation, piece
from skdict.interpretation.explainers._phrases import sentence
from skdict.interpretation.explainers._terms import N_BUCKETS, SPELLINGS, Term, TermMatrix

RIDGE = 1.0
# Minimum mass of a term, in tokens, and minimum fraction of the variance that it must explain.
MIN_MASS, MIN_GAIN = 3.0, 1e-4
CHUNK_ROWS = 8192


class ContextExplainer(BaseEstimator):
    r"""Explainer by sparse regression on the token, the preceding tokens and the spelling.

    Candidate terms are the most frequent tokens at the current position, directly before it, and
    among the 16 preceding tokens (weighted by 0.9 to the power of the distance); the spelling of
    the token; and its position in powers of two. Orthogonal matching pursuit adds the term that
    reduces the squared error most, one at a time, and refits all weights with a ridge penalty of
    1. It needs only :math:`\Phi^T \Phi` and :math:`\Phi^T C` for the centred terms :math:`\Phi`
    and the codes C.

    Parameters
    ----------
    budget : int, default=20
        Maximum number of terms in an explanation.
    n_types : int, default=1000
        Number of distinct tokens that terms may refer to, most frequent first.

    References
    ----------
    Rubinstein, Zibulevsky and Elad (2008), "Efficient implementation of the K-SVD algorithm
    using batch orthogonal matching pursuit".
    """

    name = "context"

    def __init__(self, budget=20, n_types=1000):
        self.budget = budget
        self.n_types = n_types

    def explain(self, codes, tokens):
        """Explain features by the codes and tokens of some documents.

        Parameters
        ----------
        codes : csc_array of shape (n_tokens, n_features)
            Non-negative codes.
        tokens : TokenBlock
            Tokens of whole documents.

        Returns
        -------
        list of Explanation
            Explanation of each column of `codes`; without rules if the feature never fires.

        Raises
        ------
        TypeError
            If `budget` or `n_types` is not an integer.
        ValueError
            If `budget` or `n_types` is less than 1.
        """
        check_number("budget", self.budget, low=1, integer=True)
        check_number("n_types", self.n_types, low=1, integer=True)
        terms = self._terms(tokens)
        products = _Products(TermMatrix(terms).transform(tokens), codes)
        explanations = []
        for j in range(codes.shape[1]):
            chosen, weights = products.pursue(j, self.budget)
            rules = [(terms[i], float(w)) for i, w in zip(chosen, weights, strict=True)]
            explanations.append(self._explanation(j, rules, tokens.vocabulary))
        return explanations

    def _terms(self, tokens):
        types, n = np.unique(tokens.token_ids, return_counts=True)
        frequent = types[np.argsort(-n, kind="stable")[: self.n_types]].tolist()
        terms = [Term("suffix", (v,)) for v in frequent]
        terms += [Term(kind, v) for kind in ("previous", "near") for v in frequent]
        terms += [Term("position", bucket) for bucket in range(N_BUCKETS)]
        if tokens.vocabulary is not None:
            terms += [Term("spelling", name) for name in SPELLINGS]
        return terms

    def _explanation(self, feature, rules, vocabulary):
        largest = max((abs(w) for _, w in rules), default=0) or 1.0
        rules.sort(key=lambda rule: -abs(rule[1]))
        shown = (f"{10 * w / largest:+.0f} {_phrase(term, vocabulary)}" for term, w in rules)
        text, details = sentence(rules, vocabulary), ", ".join(shown)
        return Explanation(feature, self.name, len(rules), self.budget, text, tuple(rules), details)


def _phrase(term, vocabulary):
    kind, value = term
    if kind == "suffix":
        return f"on {piece(vocabulary, value[0])}"
    if kind == "previous":
        return f"after {piece(vocabulary, value)}"
    if kind == "near":
        return f"soon after {piece(vocabulary, value)}"
    if kind == "spelling":
        return f"with {value}"
    return f"at positions {2**value - 1} to {2 ** (value + 1) - 2}"


class _Products:
    """Products of the centred terms with one another and with the codes."""

    def __init__(self, phi, codes):
        n_rows, n_terms = phi.shape
        gram, cross = np.zeros((n_terms, n_terms)), np.zeros((n_terms, codes.shape[1]))
        codes = codes.tocsr()
        for start in range(0, n_rows, CHUNK_ROWS):
            part = phi[start : start + CHUNK_ROWS].astype(np.float64)
            _add(gram, part.T @ part)
            _add(cross, part.T @ codes[start : start + CHUNK_ROWS])
        mass = np.asarray(phi.sum(axis=0, dtype=np.float64))
        mean = np.asarray(codes.sum(axis=0, dtype=np.float64)) / n_rows
        gram -= np.outer(mass / n_rows, mass)
        cross -= np.outer(mass, mean)
        squares = np.asarray(codes.power(2).sum(axis=0, dtype=np.float64))
        self._gram, self._cross = gram, np.ascontiguousarray(cross.T)
        self._variance = squares - n_rows * mean**2
        self._norm = np.where(mass >= MIN_MASS, np.diag(gram) + RIDGE, np.inf)

    def pursue(self, feature, budget):
        """Select terms for a feature by matching pursuit; return them and their weights."""
        target = self._cross[feature]
        residual, chosen, weights = target, [], np.zeros(0)
        enough = MIN_GAIN * self._variance[feature]
        for _ in range(min(budget, len(target))):
            gain = residual**2 / self._norm
            gain[chosen] = 0
            best = int(gain.argmax())
            if gain[best] <= enough:
                break
            chosen.append(best)
            rows = self._gram[chosen]
            system = rows[:, chosen] + RIDGE * np.eye(len(chosen))
            weights = scipy.linalg.solve(system, target[chosen], assume_a="pos")
            residual = target - weights @ rows
        return chosen, weights


def _add(total, part):
    """Add a sparse matrix to a dense array in place."""
    part = part.tocoo()
    np.add.at(total, part.coords, part.data)
