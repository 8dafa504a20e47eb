"""Split the evidence of a study to explain, to select or calibrate, and to test, in three ways."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from skdict.inspection.evidence._feature_draw import DrawnCodes, join_blocks
from skdict.inspection.evidence._fragments import deal_fragments, fragment_rows
from skdict.inspection.evidence._quantile_windows import quantile_windows
from skdict.inspection.evidence._split_documents import split_documents
from skdict.inspection.evidence._token_blocks import TokenBlock


@dataclass(frozen=True, eq=False)
class DocumentParts:
    """Whole documents, split into three parts.

    Parameters
    ----------
    columns : FeatureColumns
        Features of the dictionary.
    activations : Activations of shape (n_tokens, width)
        Rows to encode.
    parts : dict of str to ndarray of bool, or None
        Masks of the documents for "explain", "select" and "test"; a mask of None selects all.
    features : ndarray of int
        Features drawn.
    drawn : DrawnCodes or None, default=None
        Codes of these features on the documents to explain from.
    """

    columns: object
    activations: object
    parts: dict
    features: np.ndarray
    drawn: DrawnCodes = None

    @classmethod
    def split(cls, columns, activations, draw):
        """Split documents, and draw features on those to explain from."""
        parts = split_documents(activations, seed=draw.seed)
        drawn = draw.codes(columns, activations, parts["explain"])
        return cls(columns, activations, parts, drawn.features, drawn)

    @classmethod
    def to_test(cls, columns, activations, features):
        """Use all documents to test features that were drawn before."""
        return cls(columns, activations, {"test": None}, features)

    @property
    def calibrates(self):
        """True if there are documents to select or calibrate on."""
        return "select" in self.parts

    @property
    def vocabulary(self):
        """Readable text of each token."""
        return self.activations.vocabulary

    @property
    def counts(self):
        """Number of explanation tokens on which each feature fires, whether drawn or not."""
        return self.drawn.counts

    def codes(self, *parts):
        """Return codes (by column) and tokens of the documents of one or two parts.

        Parameters
        ----------
        *parts : {"explain", "select"}
            Parts to concatenate, in this order.

        Returns
        -------
        (csc_array of shape (n_tokens, n_features), TokenBlock)
        """
        return join_blocks([block for part in parts for block in self.coded(part)])

    def coded(self, part):
        """Return blocks of (codes, tokens) of "explain" or "select", encoded only once."""
        return self.drawn.blocks if part == "explain" else self._selecting

    @cached_property
    def _selecting(self):
        return [(codes, TokenBlock.of(block)) for codes, block in self.blocks("select")]

    def blocks(self, part, chosen=slice(None)):
        """Yield (codes, activations) of the documents of a part, for the chosen features."""
        features = self.features[chosen]
        return self.columns.blocks(self.activations, self.parts[part], features)

    def windows(self, part, sample):
        """Return the windows of each feature that a sampler draws from a part."""
        return sample(self.blocks(part), len(self.features))


@dataclass(frozen=True, eq=False)
class WindowParts:
    """Windows of each feature, split to explain from, to calibrate on and to test on.

    Parameters
    ----------
    features : ndarray of int
        Features drawn.
    vocabulary : sequence of str or None
        Readable text of each token.
    dealt : dict of str to object
        Windows of each part, in the form that a sampler returns.
    counts : ndarray of int or None, default=None
        Number of tokens on which each feature fires, whether drawn or not.
    """

    features: np.ndarray
    vocabulary: object
    dealt: dict
    counts: np.ndarray = None

    calibrates = True

    def codes(self, *parts):
        """Return None, because explanations are written from windows alone."""

    def windows(self, part, sample=None):
        """Return the windows of each feature in a part."""
        return self.dealt[part]


def split_fragments(columns, activations, draw):
    """Draw features, and split one fragment per document as in Cunningham et al. (2023)."""
    drawn = draw.codes(columns, activations, rows_of=lambda block: fragment_rows(block, draw.seed))
    dealt = deal_fragments(drawn.blocks, len(drawn.features), draw.seed)
    return WindowParts(drawn.features, activations.vocabulary, dealt, drawn.counts)


def fragments_to_test(columns, activations, features, seed):
    """Split fragments of other documents, for features that were drawn before."""
    dealt = deal_fragments(columns.blocks(activations, None, features), len(features), seed)
    return WindowParts(features, activations.vocabulary, dealt)


def split_quantiles(columns, activations, draw, **options):
    """Draw features, and windows from every quantile of the codes with `quantile_windows`."""
    # Codes of all documents may not fit in memory, so the documents are encoded again.
    drawn = draw.codes(columns, activations, rows_of=lambda block: slice(0))
    explain, test, prevalence = quantile_windows(
        lambda: columns.blocks(activations, None, drawn.features),
        len(drawn.features),
        seed=draw.seed,
        **options,
    )
    dealt = {"explain": explain, "test": (test, prevalence)}
    return WindowParts(drawn.features, activations.vocabulary, dealt, drawn.counts)
