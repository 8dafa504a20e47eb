"""Count how often every feature fires and keep the codes of a random draw, in one pass."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from skdict._validation import check_features
from skdict.inspection.evidence._streams import Stream, uniform
from skdict.inspection.evidence._token_blocks import TokenBlock


@dataclass(frozen=True, eq=False)
class DrawnCodes:
    """Features drawn, their codes, and the firing counts of all features.

    Parameters
    ----------
    features : ndarray of int, shape (n_drawn,)
        Columns of the codes: ascending if drawn, in the given order if given.
    counts : ndarray of int, shape (n_features,)
        Number of tokens on which each feature fires, whether drawn or not.
    blocks : list of (csr_array, TokenBlock)
        Codes of the drawn features, with their tokens.
    """

    features: np.ndarray
    counts: np.ndarray
    blocks: list


@dataclass(frozen=True)
class FeatureDraw:
    """Rule for drawing features, or for using given ones.

    Parameters
    ----------
    n_features : int or None
        Maximum number of features; None for all.
    order : {"random", "index"}
        "random" draws among the features that fire; "index" takes the first ones.
    seed : int
        Seed for drawing features.
    features : array-like of int or None, default=None
        Features to use, in this order, instead of drawing any. `n_features` and `order` then have
        no effect.
    """

    n_features: int | None
    order: str
    seed: int
    features: object = None

    def codes(self, columns, activations, documents=None, *, rows_of=None):
        """Encode documents once and keep the codes of the drawn features.

        Features are ranked in a fixed random order, so a feature can be dropped as soon as
        `n_features` features of lower rank have fired. A feature that first fires later has no
        earlier codes, so no code of a drawn feature is lost.

        Parameters
        ----------
        columns : FeatureColumns
            Features of the dictionary.
        activations : Activations of shape (n_tokens, width)
            Rows to encode.
        documents : ndarray of bool, shape (n_documents,), or None, default=None
            Mask of the documents to encode; None for all.
        rows_of : callable or None, default=None
            Function from a block of tokens to the rows whose codes are kept; None keeps all rows.

        Returns
        -------
        DrawnCodes

        Raises
        ------
        TypeError, ValueError
            If `features` are not distinct features of the dictionary.
        """
        given = self._given(columns.n_features)
        rank = self._rank(columns.n_features)
        counts, parts = np.zeros(columns.n_features, dtype=np.int64), []
        for codes, block in columns.blocks(activations, documents):
            counts += np.bincount(codes.indices, minlength=columns.n_features)
            kept = given
            if given is None:
                kept = self._candidates(rank, self._exist(counts, columns.n_components))
            tokens = TokenBlock.of(block)
            if rows_of is not None:
                rows = rows_of(block)
                codes, tokens = codes[rows], tokens[rows]
            parts.append((kept, _taken(codes, kept), tokens))
        if given is not None:
            return DrawnCodes(given, counts, [(codes, tokens) for _, codes, tokens in parts])
        exist = self._exist(counts, columns.n_components)
        features = np.flatnonzero(exist & (rank <= self._last(rank, exist)))
        blocks = [
            (_taken(codes, np.searchsorted(kept, features)), tokens)
            for kept, codes, tokens in parts
        ]
        return DrawnCodes(features, counts, blocks)

    def _given(self, n_features):
        """Return the given features as an array, or None if features are drawn."""
        if self.features is None:
            return None
        return np.array(check_features(self.features, n_features), dtype=np.int64)

    def _exist(self, counts, n_components):
        """Return a mask of the features that can be drawn."""
        if self.order == "random" and self.n_features is not None:
            return counts > 0
        # A component without negative codes has no feature for its negative sign.
        return (counts > 0) | (np.arange(len(counts)) < n_components)

    def _rank(self, n_features):
        features = np.arange(n_features)
        if self.order == "index" or self.n_features is None:
            return features
        rank = np.empty(n_features, dtype=np.int64)
        rank[np.argsort(uniform(self.seed, Stream.FEATURES, features), kind="stable")] = features
        return rank

    def _last(self, rank, exist):
        """Return the rank of the last feature drawn."""
        if self.n_features is None or exist.sum() < self.n_features:
            return len(rank)
        return np.partition(rank[exist], self.n_features - 1)[self.n_features - 1]

    def _candidates(self, rank, exist):
        return np.flatnonzero(rank <= self._last(rank, exist))


def _taken(codes, columns):
    """Return the given columns of codes, without a copy if they are all columns in order."""
    if np.array_equal(columns, np.arange(codes.shape[1])):
        return codes
    return codes[:, columns]


def join_blocks(blocks):
    """Concatenate blocks of codes and tokens, with codes stored by column.

    Parameters
    ----------
    blocks : iterable of (csr_array, Activations or TokenBlock)
        Blocks to concatenate, at least one.

    Returns
    -------
    (csc_array, TokenBlock)
    """
    parts, tokens = zip(*((codes, TokenBlock.of(block)) for codes, block in blocks), strict=True)
    columns = (
        np.concatenate([getattr(t, name) for t in tokens])
        for name in ("documents", "positions", "token_ids")
    )
    codes = scipy.sparse.vstack(parts, format="csc")
    return codes, TokenBlock(*columns, tokens[0].vocabulary)
