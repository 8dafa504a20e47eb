"""Explainer that lists the tokens on which a feature fires."""

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator

from skdict._validation import check_number
from skdict.interpretation.explainers._explanation import Explanation, piece
from skdict.interpretation.explainers._phrases import sentence
from skdict.interpretation.explainers._terms import Term

LEVELS = 10
# Weight of the feature's overall mean in each token's mean, in tokens.
SHRINKAGE = 1.0


class LexiconExplainer(BaseEstimator):
    r"""Explainer that lists the tokens on which a feature is strongest, without their context.

    Let token type v occur :math:`n_v` times, let :math:`s_v` be the sum of the feature's codes on
    it and :math:`\bar c` the feature's mean code. The mean code on v is shrunk to
    :math:`\mu_v = (s_v + \bar c) / (n_v + 1)`, and the types with the largest explained variance
    :math:`n_v \max(\mu_v - \bar c, 0)^2` are kept. The prediction on a kept type is its level,
    :math:`\mu_v` rescaled so that the largest is 10; on all other types it is 0.

    Parameters
    ----------
    budget : int, default=10
        Maximum number of tokens in an explanation.

    See Also
    --------
    NGramExplainer : Explainer that also uses the preceding tokens.
    """

    name = "lexicon"

    def __init__(self, budget=10):
        self.budget = budget

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
            If `budget` is not an integer.
        ValueError
            If `budget` is less than 1.
        """
        check_number("budget", self.budget, low=1, integer=True)
        types, type_of, n = np.unique(tokens.token_ids, return_inverse=True, return_counts=True)
        sums = scipy.sparse.coo_array(group_sums(type_of, len(types), codes))
        at, feature = sums.coords
        mean = np.asarray(codes.sum(axis=0, dtype=np.float64)) / len(tokens)
        mu = (sums.data + SHRINKAGE * mean[feature]) / (n[at] + SHRINKAGE)
        gain = n[at] * np.square(np.maximum(mu - mean[feature], 0))
        kept = strongest(feature, gain, self.budget)
        bounds = np.searchsorted(feature[kept], np.arange(codes.shape[1] + 1))
        owned = (kept[bounds[j] : bounds[j + 1]] for j in range(codes.shape[1]))
        return [
            self._explanation(j, types[at[own]], mu[own], tokens.vocabulary)
            for j, own in enumerate(owned)
        ]

    def _explanation(self, feature, ids, mu, vocabulary):
        levels = np.round(LEVELS * mu / mu.max(initial=np.finfo(float).tiny)).astype(int)
        rules = [(int(v), int(level)) for v, level in zip(ids, levels, strict=True) if level]
        rules.sort(key=lambda rule: -rule[1])
        details = ", ".join(f"{piece(vocabulary, v)} ({level})" for v, level in rules)
        terms = tuple((Term("suffix", (v,)), float(level)) for v, level in rules)
        text = sentence(terms, vocabulary)
        return Explanation(feature, self.name, len(rules), self.budget, text, terms, details)


def group_sums(group, n_groups, codes):
    """Sum codes over groups of rows; return a csr_array of shape (n_groups, n_features).

    Rows with group -1 are ignored.
    """
    rows = np.flatnonzero(group >= 0)
    ones = np.ones(len(rows))
    hot = scipy.sparse.csr_array((ones, (group[rows], rows)), shape=(n_groups, codes.shape[0]))
    sums = scipy.sparse.csr_array(hot @ codes.tocsr())
    sums.sort_indices()
    return sums


def strongest(group, gain, k):
    """Return the indices of the k largest positive gains in each group, ordered by group."""
    order = np.lexsort((np.arange(len(gain)), -gain, group))
    order = order[gain[order] > 0]
    _, first, sizes = np.unique(group[order], return_index=True, return_counts=True)
    return order[np.arange(len(order)) - np.repeat(first, sizes) < k]
