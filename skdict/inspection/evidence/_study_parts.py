"""What a study explains from, chooses or calibrates on, and tests on, dealt out in three ways."""

from dataclasses import dataclass

import numpy as np

from skdict.inspection.evidence._feature_draw import DrawnCodes
from skdict.inspection.evidence._fragments import deal_fragments, fragment_rows
from skdict.inspection.evidence._quantile_windows import quantile_windows
from skdict.inspection.evidence._split_documents import split_documents


@dataclass(frozen=True, eq=False)
class DocumentParts:
    """Whole documents, split into three parts.

    Parameters
    ----------
    columns : FeatureColumns
        The dictionary.
    activations : Activations of shape (n_tokens, width)
        The rows.
    parts : dict of str to ndarray of bool, or None
        For "explain", "select" and "test" the documents; None for all.
    features : ndarray of int
        The features drawn.
    drawn : DrawnCodes or None, default=None
        Their codes on the documents to explain from.
    """

    columns: object
    activations: object
    parts: dict
    features: np.ndarray
    drawn: DrawnCodes = None

    @classmethod
    def split(cls, columns, activations, draw):
        """Split documents, and draw features from those to explain from."""
        parts = split_documents(activations, seed=draw.seed)
        drawn = draw.codes(columns, activations, parts["explain"])
        return cls(columns, activations, parts, drawn.features, drawn)

    @classmethod
    def to_test(cls, columns, activations, features):
        """Return documents that all test features drawn before."""
        return cls(columns, activations, {"test": None}, features)

    @property
    def calibrates(self):
        """Whether there are documents to choose or calibrate on."""
        return "select" in self.parts

    @property
    def vocabulary(self):
        """The readable piece of each token."""
        return self.activations.vocabulary

    @property
    def counts(self):
        """Tokens to explain from on which each feature fires, drawn or not."""
        return self.drawn.counts

    def codes(self):
        """Return the codes to explain from by column, and their tokens; they can be taken once."""
        return self.drawn.take()

    def blocks(self, part, chosen=slice(None)):
        """Yield (codes, activations) of the documents of a part, for some of the features."""
        features = self.features[chosen]
        return self.columns.blocks(self.activations, self.parts[part], features)

    def windows(self, part, sample):
        """Return the windows of each feature that a sampler draws from a part."""
        return sample(self.blocks(part), len(self.features))


@dataclass(frozen=True, eq=False)
class WindowParts:
    """Windows of each feature, dealt out to explain from, to calibrate on and to test on.

    Parameters
    ----------
    features : ndarray of int
        The features drawn.
    vocabulary : sequence of str or None
        The readable piece of each token.
    dealt : dict of str to object
        For each part what a sampler would give.
    counts : ndarray of int or None, default=None
        Tokens on which each feature fires, drawn or not.
    """

    features: np.ndarray
    vocabulary: object
    dealt: dict
    counts: np.ndarray = None

    calibrates = True

    def codes(self):
        """Return None: windows alone explain."""

    def windows(self, part, sample=None):
        """Return the windows of each feature in a part."""
        return self.dealt[part]


def split_fragments(columns, activations, draw):
    """Draw features, and deal out a fragment of each document as Cunningham et al. (2023) did."""
    drawn = draw.codes(columns, activations, rows_of=lambda block: fragment_rows(block, draw.seed))
    dealt = deal_fragments(drawn.blocks, len(drawn.features), draw.seed)
    return WindowParts(drawn.features, activations.vocabulary, dealt, drawn.counts)


def fragments_to_test(columns, activations, features, seed):
    """Deal out fragments of other documents, for features drawn before."""
    dealt = deal_fragments(columns.blocks(activations, None, features), len(features), seed)
    return WindowParts(features, activations.vocabulary, dealt)


def split_quantiles(columns, activations, draw, **options):
    """Draw features, and windows of every strength as delphi does, by `quantile_windows`."""
    # Windows come from all documents, whose codes may not fit in memory: they are read again.
    drawn = draw.codes(columns, activations, rows_of=lambda block: slice(0))
    explain, test, prevalence = quantile_windows(
        lambda: columns.blocks(activations, None, drawn.features),
        len(drawn.features),
        seed=draw.seed,
        **options,
    )
    dealt = {"explain": explain, "test": (test, prevalence)}
    return WindowParts(drawn.features, activations.vocabulary, dealt, drawn.counts)
