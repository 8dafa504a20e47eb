"""Count how often every feature fires, and keep the codes of those drawn, in one pass."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from skdict.inspection.evidence._streams import Stream, uniform
from skdict.inspection.evidence._token_blocks import TokenBlock


@dataclass(frozen=True, eq=False)
class DrawnCodes:
    """The features drawn, how often all features fire, and the codes of those drawn.

    Parameters
    ----------
    features : ndarray of int, shape (n_drawn,)
        Columns of the codes, ascending.
    counts : ndarray of int, shape (n_features,)
        Tokens on which each feature fires, drawn or not.
    blocks : list of (csr_array, TokenBlock)
        Codes of the features drawn, with their tokens.
    """

    features: np.ndarray
    counts: np.ndarray
    blocks: list

    def take(self):
        """Return all blocks as one, and let go of them."""
        found = join_blocks(self.blocks)
        self.blocks.clear()
        return found


@dataclass(frozen=True)
class FeatureDraw:
    """Which features to draw.

    Parameters
    ----------
    n_features : int or None
        Most features; None for all that exist.
    order : {"random", "index"}
        Draw among the features that fire, or take the first ones.
    seed : int
        Other seeds draw other features.
    """

    n_features: int | None
    order: str
    seed: int

    def codes(self, columns, activations, documents=None, *, rows_of=None):
        """Encode documents once, and keep the codes of the features drawn.

        Features come in a fixed random order, so a feature is out of the draw as soon as
        `n_features` before it have fired. What fires later has no code before it does, so nothing
        that will be drawn is missed.

        Parameters
        ----------
        columns : FeatureColumns
            The dictionary.
        activations : Activations of shape (n_tokens, width)
            Rows to encode.
        documents : ndarray of bool, shape (n_documents,), or None, default=None
            Which documents; None for all.
        rows_of : callable or None, default=None
            From a block of tokens to the rows whose codes are kept; None keeps all.

        Returns
        -------
        DrawnCodes
        """
        rank = self._rank(columns.n_features)
        counts, parts = np.zeros(columns.n_features, dtype=np.int64), []
        for codes, block in columns.blocks(activations, documents):
            counts += np.bincount(codes.indices, minlength=columns.n_features)
            kept = self._candidates(rank, self._exist(counts, columns.n_components))
            tokens = TokenBlock.of(block)
            if rows_of is not None:
                rows = rows_of(block)
                codes, tokens = codes[rows], tokens[rows]
            parts.append((kept, _taken(codes, kept), tokens))
        exist = self._exist(counts, columns.n_components)
        features = np.flatnonzero(exist & (rank <= self._last(rank, exist)))
        blocks = [
            (_taken(codes, np.searchsorted(kept, features)), tokens)
            for kept, codes, tokens in parts
        ]
        return DrawnCodes(features, counts, blocks)

    def _exist(self, counts, n_components):
        """Return which features can be drawn."""
        if self.order == "random" and self.n_features is not None:
            return counts > 0
        # The negative codes of a component that has none are no feature.
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
    """Return some columns of codes, ascending; all of them without a copy."""
    return codes if len(columns) == codes.shape[1] else codes[:, columns]


def join_blocks(blocks):
    """Return codes by column (csc_array) and their tokens, from blocks of both.

    Parameters
    ----------
    blocks : iterable of (csr_array, Activations or TokenBlock)
        At least one.

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
