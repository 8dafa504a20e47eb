"""Explain a feature by the tokens it fires on and those before them, with exceptions."""

import numpy as np
from sklearn.base import BaseEstimator

from skdict._validation import check_number
from skdict.interpretation.explainers._explanation import Explanation, piece
from skdict.interpretation.explainers._lexicon import group_sums, strongest
from skdict.interpretation.explainers._terms import Term

SHRINKAGE = 2.0
MIN_COUNT = 3
# Codes that are grouped at once.
CHUNK_CODES = 4_000_000


class NGramExplainer(BaseEstimator):
    r"""Explain each feature by the last few tokens, backing off from long runs to short ones.

    The mean code on the :math:`n_k` places where the text ends in a run of k tokens is shrunk to
    that of the run without its first token, :math:`\mu_k = (s_k + 2 \mu_{k-1}) / (n_k + 2)`, down
    to the feature's mean. Among all runs that occur three times the rules of the largest
    :math:`n_k (\mu_k - \mu_{k-1})^2` are kept; a rule below the shorter one is an exception.
    The longest rule that fits predicts, or the mean where none does.

    Parameters
    ----------
    order : int, default=3
        Most tokens in a run.
    budget : int, default=20
        Most rules in an explanation.

    References
    ----------
    Foote, Nanda, Kran, Konstas and Barez (2023), "N2G: A scalable approach for quantifying
    interpretable neuron representations in large language models", whose rules are grown by
    a second model instead.
    """

    name = "n-gram"

    def __init__(self, order=3, budget=20):
        self.order = order
        self.budget = budget

    def explain(self, codes, tokens):
        """Explain features from the documents set aside for it.

        Parameters
        ----------
        codes : csc_array of shape (n_tokens, n_features)
            Codes, none below 0.
        tokens : TokenBlock
            The tokens, in whole documents.

        Returns
        -------
        list of Explanation
            One for each column; without rules where a feature never fires.

        Raises
        ------
        TypeError
            If order or budget is not a whole number.
        ValueError
            If one is below 1, or runs are too many to number.
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
        """Return for each feature a list of (tokens of the run, mean)."""
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
        terms, said = [], []
        for run, value in rules:
            below = next((values[run[i:]] for i in range(1, len(run)) if run[i:] in values), mean)
            # Terms of all runs that fit add up to the value of the longest.
            terms.append((Term("suffix", run), value - below))
            shown = "".join(piece(vocabulary, v) for v in run[:-1]).replace('""', "")
            before = f" after {shown}" if shown else ""
            said.append(f"{piece(vocabulary, run[-1])}{before} ({10 * value / top:.0f})")
        text = f"fires on {', '.join(said)}" if said else "fires on nothing seen"
        return Explanation(feature, self.name, len(rules), self.budget, text, tuple(terms))


class _Run:
    """The runs of k tokens that occur often enough, and where."""

    def __init__(self, of_row, first_rows, counts, parent, order, ids):
        self.of_row, self.counts, self.parent = of_row, counts, parent
        self._first_rows, self._order, self._ids = first_rows, order, ids

    def tokens(self, gram):
        """Return the token ids of a run."""
        row = self._first_rows[gram]
        return tuple(int(v) for v in self._ids[row - self._order + 1 : row + 1])


def _runs(tokens, order):
    """Yield the runs of 1, 2, ... tokens: each longer one is a token before a shorter one."""
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
    """Yield ranges of columns that hold few enough codes."""
    start = 0
    while start < codes.shape[1]:
        limit = codes.indptr[start] + CHUNK_CODES
        stop = max(start + 1, int(np.searchsorted(codes.indptr, limit, side="right")) - 1)
        yield start, stop
        start = stop


class _Means:
    """The shrunk mean of each feature on each run at whose end it fires, and its gain."""

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
        """Return the means of (run, feature) pairs, all of which are known."""
        return self.mu[np.searchsorted(self._keys, keys)]

    def add_exceptions(self, shorter, leading):
        """Take in runs at whose end a feature is silent though a leading rule ends them."""
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
