"""Explainer that fits a short weighted sum of terms about a token and its context."""

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from skdict._validation import check_number
from skdict.interpretation.explainers._candidates import ABOUT_TOKEN, NARROWING, candidate_terms
from skdict.interpretation.explainers._explanation import Explanation, piece
from skdict.interpretation.explainers._phrases import sentence
from skdict.interpretation.explainers._pursuit import Pursuit
from skdict.interpretation.explainers._terms import Term, TermMatrix

# Terms with less than this fraction of the largest standardised weight are not in the sentence.
SPOKEN = 0.3
N_MEMBERS = 3


class ContextExplainer(BaseEstimator):
    r"""Explainer by sparse regression on the token, its context, and pairs of both.

    Candidate terms about the token are: the token itself, its class, and its spelling. Classes
    are clusters of the model's input embedding, from 32 broad to 4,096 narrow ones; they require
    a `Vocabulary` with vectors. Terms about the context are: the preceding token, its class and
    its spelling; frequent tokens among the 16 preceding ones, weighted by 0.9 to the power of the
    distance; topics, which are classes with members among the 128 preceding tokens; states of the
    document, such as inside quotation marks or at the start of a sentence; and the position in
    powers of two. Leading terms about the token are also multiplied with every other term.

    Orthogonal matching pursuit adds the term or product that reduces the squared error most, one
    at a time, and refits all weights with a ridge penalty of 0.5. It needs only
    :math:`\Phi^T \Phi` and :math:`\Phi^T C` for the centred terms :math:`\Phi` and the codes C.

    Parameters
    ----------
    budget : int, default=20
        Maximum number of terms in an explanation; a product counts as one.
    n_types : int, default=20000
        Number of distinct tokens that terms may refer to, most frequent first.
    n_near : int, default=1000
        Number of distinct tokens that are looked for among the 16 preceding ones.

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
            If `budget`, `n_types` or `n_near` is not an integer.
        ValueError
            If `budget` or `n_types` is less than 1, or `n_near` is negative.
        """
        check_number("budget", self.budget, low=1, integer=True)
        check_number("n_types", self.n_types, low=1, integer=True)
        check_number("n_near", self.n_near, low=0, integer=True)
        terms = candidate_terms(tokens, self.n_types, self.n_near)
        first, second = (
            np.isin([term.kind for term in terms], kinds) for kinds in (ABOUT_TOKEN, NARROWING)
        )
        pursuit = Pursuit(TermMatrix(terms).transform(tokens), first, second)
        explanations = []
        for j, found in enumerate(pursuit.select(codes, self.budget)):
            rules = [Rule(_term([terms[i] for i in one.columns]), *one[1:]) for one in found]
            explanations.append(self._explanation(j, rules, codes[:, [j]], tokens))
        return explanations

    def _explanation(self, feature, rules, codes, tokens):
        rules.sort(key=lambda rule: -rule.importance)
        fired = _Fired(codes, tokens)
        least = SPOKEN * max((rule.importance for rule in rules), default=0)
        spoken = [(rule.term, rule.weight) for rule in rules if rule.importance >= least]
        text = sentence(spoken, tokens.vocabulary, fired.on, fired.after)
        largest = max((abs(rule.weight) for rule in rules), default=0) or 1.0
        details = ", ".join(
            f"{10 * rule.weight / largest:+.0f} {fired.describe(rule.term)}" for rule in rules
        )
        terms = tuple((rule.term, rule.weight) for rule in rules)
        return Explanation(feature, self.name, len(rules), self.budget, text, terms, details)


class Rule(NamedTuple):
    """Term with its weight, and its weight times the term's standard deviation."""

    term: Term
    weight: float
    importance: float


class _Fired:
    """Tokens on which a feature fires, to describe terms by members that matter to it."""

    def __init__(self, codes, tokens):
        self._vocabulary = tokens.vocabulary
        self.on = self._totals(codes, tokens.token_ids)
        self.after = self._totals(codes, tokens.back(1))

    def _totals(self, codes, ids):
        """Return the total code for each token id."""
        ids, at = np.unique(ids[codes.indices], return_inverse=True)
        totals = np.bincount(at, weights=codes.data)
        return {int(i): float(total) for i, total in zip(ids, totals, strict=True) if i >= 0}

    def describe(self, term):
        """Describe a term for the list of all rules."""
        kind, value = term
        if kind == "both":
            return " and ".join(map(self.describe, value))
        if kind == "suffix":
            return f"on {piece(self._vocabulary, value[0])}"
        if kind in ("previous", "near"):
            before = "after" if kind == "previous" else "soon after"
            return f"{before} {piece(self._vocabulary, value)}"
        if kind in ("class", "previous class", "topic"):
            before = {"class": "on", "previous class": "after", "topic": "in texts with"}[kind]
            return f"{before} {self._members(value, self.after if kind[0] == 'p' else self.on)}"
        if kind == "position":
            return f"at positions {2**value - 1} to {2 ** (value + 1) - 2}"
        return {"spelling": "with ", "previous spelling": "after "}.get(kind, "") + value

    def _members(self, ids, totals):
        """Quote the members of a class on which the feature fires most."""
        best = sorted(ids, key=lambda i: -totals.get(i, 0))[:N_MEMBERS]
        quoted = ", ".join(piece(self._vocabulary, i) for i in best)
        return f"{{{quoted}{', ...' if len(ids) > len(best) else ''}}}"


def _term(terms):
    """Return a single term, or the product of two."""
    return terms[0] if len(terms) == 1 else Term("both", tuple(terms))
