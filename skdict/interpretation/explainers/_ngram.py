"""Explainer that lists the n-grams on which a feature fires, with exceptions."""

import numpy as np
from sklearn.base import BaseEstimator

from skdict._validation import check_number
from skdict.interpretation.explainers._explanation import Explanation, piece
from skdict.interpretation.explainers._lexicon import group_sums, strongest
from skdict.interpretation.explainers._phrases import sentence
from skdict.interpretation.explainers._terms import Term

SHRINKAGE = 2.0
MIN_COUNT = 3
# Number of codes that are grouped at once, which bounds memory.
CHUNK_CODES = 4_000_000


class NGramExplainer(BaseEstimator):
    r"""Explainer by the last few tokens, with backoff from long n-grams to shorter ones.

    Let an n-gram of k tokens end at :math:`n_k` positions of the text, with sum :math:`s_k` of the
    feature's codes. Its mean code is shrunk to that of the n-gram without its first token,
    :math:`\mu_k = (s_k + 2 \mu_{k-1}) / (n_k + 2)`, down to the feature's overall mean. Among all
    n-grams that occur at least three times, those with the largest
    :math:`n_k (\mu_k - \mu_{k-1})^2` become rules; a rule below that of the shorter n-gram is an
    exception. The prediction is the mean of the longest matching rule, or the overall mean if
    none matches.

    Parameters
    ----------
    order : int, default=3
        Maximum number of tokens in an n-gram.
    budget : int, default=20
        Maximum number of rules in an explanation.

    References
    ----------
    Foote, Nanda, Kran, Konstas and Barez (2023), "N2G: A scalable approach for quantifying
    interpretable neuron representations in large language models", which grows rules with a
    second model instead.
    """

    name = "n-gram"

    def __init__(self, order=3, budget=20):
        self.order = order
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
            If `order` or `budget` is not an integer.
        ValueError
            If `order` or `budget` is less than 1, or there are too many n-grams to number.
        """
        check_number("order", self.order, low=1, integer=True)
        check_number("budget", self.budget, low=1, integer=True)
        runs = list(_runs(tokens, self.order))
        explanations = []
        for start, stop in _chunks(codes):
            rules = self._rules(runs, codes[:, start:stop])
            explanations += [
                self._explanation(start + j, own, tokens.vocabulary) for j, own in enumerate(rules)
            ]
        return explanations

    def _rules(self, runs, codes):
        """Return, for each feature, its rules as (token ids, mean) pairs and its overall mean."""
        n_features = codes.shape[1]
        mean = np.asarray(codes.sum(axis=0, dtype=np.float64)) / codes.shape[0]
        candidates, shorter = [], None
        for run in runs:
            found = _Means(run, codes, mean, shorter)
            if shorter is not None:
                found.add_exceptions(shorter, strongest(shorter.feature, shorter.gain, self.budget))
            candidates.append(found)
            shorter = found
        feature = np.concatenate([c.feature for c in candidates])
        gain = np.concatenate([c.gain for c in candidates])
        ends = np.cumsum([len(c.gain) for c in candidates])
        rules = [[] for _ in range(n_features)]
        for i in strongest(feature, gain, self.budget):
            level = int(np.searchsorted(ends, i, side="right"))
            found = candidates[level]
            at = i - ends[level] + len(found.gain)
            rules[feature[i]].append((found.run.tokens(found.gram[at]), float(found.mu[at])))
        return [(own, float(m)) for own, m in zip(rules, mean, strict=True)]

    def _explanation(self, feature, rules, vocabulary):
        rules, mean = rules
        values = dict(rules)
        top = max(values.values(), default=0) or 1.0
        terms, details = [], []
        for run, value in rules:
            below = next((values[run[i:]] for i in range(1, len(run)) if run[i:] in values), mean)
            # The terms of all matching n-grams add up to the value of the longest.
            terms.append((Term("suffix", run), value - below))
            shown = "".join(piece(vocabulary, v) for v in run[:-1]).replace('""', "")
            before = f" after {shown}" if shown else ""
            details.append(f"{piece(vocabulary, run[-1])}{before} ({10 * value / top:.0f})")
        text, details = sentence(terms, vocabulary), ", ".join(details)
        return Explanation(feature, self.name, len(rules), self.budget, text, tuple(terms), details)


class _Run:
    """N-grams of k tokens that occur often enough, with their positions."""

    def __init__(self, of_row, first_rows, counts, parent, order, ids):
        self.of_row, self.counts, self.parent = of_row, counts, parent
        self._first_rows, self._order, self._ids = first_rows, order, ids

    def tokens(self, gram):
        """Return the token ids of an n-gram."""
        row = self._first_rows[gram]
        return tuple(int(v) for v in self._ids[row - self._order + 1 : row + 1])


def _runs(tokens, order):
    """Yield the n-grams of 1, 2, ... tokens, extending shorter ones by the preceding token."""
    n_types = int(tokens.token_ids.max()) + 2
    shorter = np.zeros(len(tokens), dtype=np.int64)
    for k in range(1, order + 1):
        before = tokens.back(k - 1) if k <= len(tokens) else np.full(len(tokens), -1)
        key = np.where((shorter >= 0) & (before >= 0), shorter * n_types + before, -1)
        rows = np.flatnonzero(key >= 0)
        _, first, gram, n = np.unique(
            key[rows], return_index=True, return_inverse=True, return_counts=True
        )
        often = np.flatnonzero(n >= MIN_COUNT)
        number = np.full(len(n), -1)
        number[often] = np.arange(len(often))
        of_row = np.full(len(tokens), -1)
        of_row[rows] = number[gram]
        first = rows[first[often]]
        yield _Run(of_row, first, n[often], shorter[first], k, tokens.token_ids)
        shorter = of_row


def _chunks(codes):
    """Yield ranges of columns, each with a bounded number of codes."""
    start = 0
    while start < codes.shape[1]:
        limit = codes.indptr[start] + CHUNK_CODES
        stop = max(start + 1, int(np.searchsorted(codes.indptr, limit, side="right")) - 1)
        yield start, stop
        start = stop


class _Means:
    """Shrunk mean codes and gains for each feature and each n-gram on which it fires."""

    def __init__(self, run, codes, mean, shorter):
        sums = group_sums(run.of_row, len(run.counts), codes).tocoo()
        self.run, self._n_features = run, codes.shape[1]
        self.gram, self.feature = (c.astype(np.int64) for c in sums.coords)
        below = mean[self.feature] if shorter is None else shorter.at(self._parents())
        n = run.counts[self.gram]
        self.mu = (sums.data + SHRINKAGE * below) / (n + SHRINKAGE)
        self.gain = n * np.square(self.mu - below)
        self._keys = self.gram * self._n_features + self.feature

    def _parents(self):
        return self.run.parent[self.gram] * self._n_features + self.feature

    def at(self, keys):
        """Return the means of (n-gram, feature) pairs, all of which must be present."""
        return self.mu[np.searchsorted(self._keys, keys)]

    def add_exceptions(self, shorter, leading):
        """Add n-grams on which a feature is silent although they end in a leading rule."""
        order = np.argsort(self.run.parent, kind="stable")
        first = np.searchsorted(self.run.parent[order], shorter.gram[leading], side="left")
        last = np.searchsorted(self.run.parent[order], shorter.gram[leading], side="right")
        sizes = last - first
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        gram = order[np.repeat(first, sizes) + within]
        feature = np.repeat(shorter.feature[leading], sizes)
        below = np.repeat(shorter.mu[leading], sizes)
        silent = ~np.isin(gram * self._n_features + feature, self._keys)
        gram, feature, below = gram[silent], feature[silent], below[silent]
        n = self.run.counts[gram]
        mu = SHRINKAGE * below / (n + SHRINKAGE)
        parts = {"gram": gram, "feature": feature, "mu": mu, "gain": n * np.square(mu - below)}
        for name, added in parts.items():
            setattr(self, name, np.concatenate([getattr(self, name), added]))
        keys = self.gram * self._n_features + self.feature
        order = np.argsort(keys)
        self._keys = keys[order]
        for name in parts:
            setattr(self, name, getattr(self, name)[order])
