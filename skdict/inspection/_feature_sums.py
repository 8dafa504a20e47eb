"""What is counted about each feature, block by block."""

import numpy as np

from skdict.inspection._moments import CodeMoments
from skdict.inspection._token_tables import PairSums

# A quarter of an octave each, from 1.5e-5 to 65,536.
HISTOGRAM_EDGES = 2.0 ** (np.arange(-64, 65) / 4)


class FeatureSums:
    """Sums over tokens, all of which can be merged.

    Parameters
    ----------
    n_features : int
        Columns of the codes.
    token_tables : bool
        Whether pairs of a feature and a token are counted.
    cooccurrence : bool
        Whether pairs of features are counted.
    """

    def __init__(self, n_features, *, token_tables, cooccurrence):
        self.n_features = n_features
        self.n_tokens = self.n_documents = 0
        self.counts = np.zeros(n_features, dtype=np.int64)
        self.totals = np.zeros(n_features)
        self.max = np.zeros(n_features)
        self.histogram = np.zeros((n_features, len(HISTOGRAM_EDGES) - 1), dtype=np.int64)
        self.token_counts = np.zeros(0, dtype=np.int64)
        self.moments = CodeMoments(n_features)
        self.pairs = PairSums() if token_tables else None
        self.together = np.zeros((n_features, n_features), dtype=np.int64) if cooccurrence else None

    def update(self, codes, token_ids, n_documents):
        """Take in the codes of some tokens.

        Parameters
        ----------
        codes : csr_array of shape (n_tokens, n_features)
            Codes of the tokens.
        token_ids : ndarray of int, shape (n_tokens,)
            The tokens.
        n_documents : int
            Documents that they are of.
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
        if self.pairs is not None:
            self.pairs.add(features, token_ids[rows], values)
        if self.together is not None:
            self._add_together(codes)

    def merge(self, other):
        """Take in the sums of other tokens."""
        for name in ("n_tokens", "n_documents", "counts", "totals", "histogram"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.max = np.maximum(self.max, other.max)
        self._add_tokens(other.token_counts)
        self.moments.merge(other.moments)
        if self.pairs is not None:
            self.pairs.merge(other.pairs)
        if self.together is not None:
            self.together = self.together + other.together

    def _add_tokens(self, counts):
        longer, shorter = sorted((self.token_counts, counts), key=len, reverse=True)
        self.token_counts = longer.copy()
        self.token_counts[: len(shorter)] += shorter

    def _add_together(self, codes):
        active = (codes > 0).astype(np.int64)
        pairs = (active.T @ active).tocoo()
        # Each pair stands in the product once, so that no addition is lost.
        self.together[pairs.coords] += pairs.data
