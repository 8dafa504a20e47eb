"""Count, for every feature, what it fires on, block by block."""

import numpy as np
import scipy.special

from skdict._validation import check_flag
from skdict.inspection._moments import CodeMoments
from skdict.inspection._token_tables import PairSums

MOST_COOCCURRING = 8192
# Four bins per octave, from 1.5e-5 to 65,536.
HISTOGRAM_EDGES = 2.0 ** (np.arange(-64, 65) / 4)


class FeatureSums:
    """Mergeable sums over tokens for every feature.

    Parameters
    ----------
    n_features : int
        Number of columns of the codes.
    token_tables : bool
        If True, count (feature, token) pairs.
    cooccurrence : bool
        If True, count pairs of features that fire on the same token.
    """

    def __init__(self, n_features, *, token_tables, cooccurrence):
        check_flag("token_tables", token_tables)
        check_flag("cooccurrence", cooccurrence)
        if cooccurrence and n_features > MOST_COOCCURRING:
            raise ValueError(
                f"cooccurrence=True with {n_features} features needs {n_features}**2 counts; "
                f"pass the codes of at most {MOST_COOCCURRING} features"
            )
        self.n_features = n_features
        self.n_tokens = self.n_documents = 0
        self.counts = np.zeros(n_features, dtype=np.int64)
        self.totals = np.zeros(n_features)
        self.max = np.zeros(n_features)
        self.histogram = np.zeros((n_features, len(HISTOGRAM_EDGES) - 1), dtype=np.int64)
        self.token_counts = np.zeros(0, dtype=np.int64)
        self.moments = CodeMoments(n_features)
        self._pairs = PairSums() if token_tables else None
        shape = n_features, n_features
        self._together = np.zeros(shape, dtype=np.int64) if cooccurrence else None

    def update(self, codes, token_ids, n_documents):
        """Update the sums with the codes of some tokens.

        Parameters
        ----------
        codes : csr_array of shape (n_tokens, n_features)
            Codes of the tokens.
        token_ids : ndarray of int, shape (n_tokens,)
            Ids of the tokens.
        n_documents : int
            Number of documents that the tokens come from.
        """
        self.n_tokens += len(token_ids)
        self.n_documents += n_documents
        self._add_tokens(np.bincount(token_ids))
        rows = np.repeat(np.arange(len(token_ids)), np.diff(codes.indptr))
        values = codes.data.astype(np.float64)
        self.moments.update(codes.indices, values, len(token_ids))
        fired = values > 0
        rows, features, values = rows[fired], codes.indices[fired].astype(np.int64), values[fired]
        self.counts += np.bincount(features, minlength=self.n_features)
        self.totals += np.bincount(features, values, minlength=self.n_features)
        np.maximum.at(self.max, features, values)
        n_bins = self.histogram.shape[1]
        bins = (np.searchsorted(HISTOGRAM_EDGES, values, side="right") - 1).clip(0, n_bins - 1)
        flat = np.bincount(features * n_bins + bins, minlength=self.histogram.size)
        self.histogram += flat.reshape(self.histogram.shape)
        if self._pairs is not None:
            self._pairs.add(features, token_ids[rows], values)
        if self._together is not None:
            self._add_together(codes)

    def merge(self, other):
        """Merge the sums of other tokens."""
        for name in ("n_tokens", "n_documents", "counts", "totals", "histogram"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.max = np.maximum(self.max, other.max)
        self._add_tokens(other.token_counts)
        self.moments.merge(other.moments)
        if self._pairs is not None:
            self._pairs.merge(other._pairs)
        if self._together is not None:
            self._together = self._together + other._together

    @property
    def pairs(self):
        """Sums over (feature, token) pairs."""
        if self._pairs is None:
            raise AttributeError("tokens were not counted; pass token_tables=True and fit again")
        return self._pairs

    @property
    def together(self):
        """Number of tokens on which two features both fire, shape (n_features, n_features)."""
        if self._together is None:
            raise AttributeError(
                "pairs of features were not counted; pass cooccurrence=True and fit again"
            )
        return self._together

    @property
    def density(self):
        """Fraction of tokens on which each feature fires."""
        return self.counts / max(self.n_tokens, 1)

    @property
    def mean_active(self):
        """Mean of the positive codes; 0 for a feature that never fires."""
        return self.totals / np.maximum(self.counts, 1)

    @property
    def token_entropy(self):
        """Normalised entropy of the token shares; nan for a feature that never fires."""
        feature, share = self.pairs.shares(self.n_features)
        # Without any pair, bincount returns integers.
        terms = scipy.special.entr(share)
        entropy = np.bincount(feature, terms, minlength=self.n_features).astype(np.float64)
        entropy /= max(np.log(max(np.count_nonzero(self.token_counts), 1)), np.finfo(float).tiny)
        return np.where(self.counts > 0, entropy, np.nan)

    @property
    def single_token_share(self):
        """Largest share of a single token; nan for a feature that never fires."""
        feature, share = self.pairs.shares(self.n_features)
        largest = np.zeros(self.n_features)
        np.maximum.at(largest, feature, share)
        return np.where(self.counts > 0, largest, np.nan)

    def token_columns(self, feature):
        """Return the tokens that a feature fires on, as the columns of a `TokenTable`."""
        ids, firings, totals = self.pairs.of_feature(feature)
        occurrences = self.token_counts[ids]
        probability = firings / occurrences
        return {
            "token_ids": ids,
            "firings": firings,
            "occurrences": occurrences,
            "probability": probability,
            "lift": probability / max(self.density[feature], np.finfo(float).tiny),
            "share": totals / totals.sum() if len(totals) else totals,
        }

    def _add_tokens(self, counts):
        longer, shorter = sorted((self.token_counts, counts), key=len, reverse=True)
        self.token_counts = longer.copy()
        self.token_counts[: len(shorter)] += shorter

    def _add_together(self, codes):
        active = (codes > 0).astype(np.int64)
        pairs = (active.T @ active).tocoo()
        # Every pair occurs once in the product, so indexed addition loses no count.
        self._together[pairs.coords] += pairs.data
