"""Explainer that fits a short weighted sum of terms about a token and its context."""

import numpy as np
from sklearn.base import BaseEstimator

from skdict._validation import check_number
from skdict.interpretation.explainers._candidates import ABOUT_TOKEN, candidate_terms
from skdict.interpretation.explainers._explanation import Explanation, piece
from skdict.interpretation.explainers._pursuit import Pursuit
from skdict.interpretation.explainers._terms import Term, TermMatrix


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

    def __init__(self, budget=20, n_types=20_000, n_near=1000):
        self.budget = budget
        self.n_types = n_types
        self.n_near = n_near

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
        terms = candidate_terms(tokens, self.n_types, self.n_near)
        about_token = np.array([term.kind in ABOUT_TOKEN for term in terms])
        pursuit = Pursuit(TermMatrix(terms).transform(tokens), about_token)
        explanations = []
        for j, found in enumerate(pursuit.select(codes, self.budget)):
            rules = [(_term([terms[i] for i in columns]), weight) for columns, weight in found]
            explanations.append(self._explanation(j, rules, tokens.vocabulary))
        return explanations

    def _explanation(self, feature, rules, vocabulary):
        largest = max((abs(w) for _, w in rules), default=0) or 1.0
        rules.sort(key=lambda rule: -abs(rule[1]))
        said = [f"{10 * w / largest:+.0f} {_phrase(term, vocabulary)}" for term, w in rules]
        text = f"adds up {', '.join(said)}" if said else "fires on nothing seen"
        return Explanation(feature, self.name, len(rules), self.budget, text, tuple(rules))


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
    return f"{kind}"


def _term(terms):
    """Return a single term, or the product of two."""
    return terms[0] if len(terms) == 1 else Term("both", tuple(terms))
