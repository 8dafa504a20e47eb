"""Split documents into disjoint parts to explain, select and test on."""

import numpy as np

from skdict.inspection.evidence._documents import document_bounds
from skdict.inspection.evidence._streams import mix

PARTS = ("explain", "select", "test")


def split_documents(activations, *, seed=0, shares=(0.5, 0.2), most_tokens=131_072):
    """Split documents into three parts, without looking at any code.

    Documents are ordered by a hash of the seed and the document number, so the split does not
    depend on codes and is the same for every dictionary.

    Parameters
    ----------
    activations : Activations of shape (n_tokens, width)
        Rows whose documents are split.
    seed : int, default=0
        Seed for the split.
    shares : (float, float), default=(0.5, 0.2)
        Fractions of the documents to explain and to select on; the remainder is for testing.
    most_tokens : int, default=131072
        Maximum number of tokens to explain on; at most half as many are used to select. The
        remainder is for testing.

    Returns
    -------
    dict of str to ndarray of bool, shape (n_documents,)
        Masks of the documents for "explain", "select" and "test", ordered by document number.

    Raises
    ------
    ValueError
        If there are fewer than three documents.
    """
    documents = np.sort(activations.documents)
    bounds = document_bounds(documents)
    n_documents = len(bounds) - 1
    if n_documents < 3:
        raise ValueError(
            f"the activations have {n_documents} documents; pass at least 3, because explanations "
            f"are written, selected and tested on different documents"
        )
    # The hash omits a stream so that splits match those of earlier results.
    order = np.argsort(mix(seed, documents[bounds[:-1]]), kind="stable")
    tokens = np.cumsum(np.diff(bounds)[order])
    ends, used, begun = [], 0, 0
    for i, share in enumerate(shares):
        left = len(shares) - i
        by_share = begun + max(1, round(share * n_documents))
        by_tokens = np.searchsorted(tokens, used + most_tokens // (i + 1), side="right")
        begun = min(max(begun + 1, min(by_share, by_tokens)), n_documents - left)
        used = tokens[begun - 1]
        ends.append(begun)
    parts = {}
    for name, start, end in zip(PARTS, [0, *ends], [*ends, n_documents], strict=True):
        parts[name] = np.zeros(n_documents, dtype=bool)
        parts[name][order[start:end]] = True
    return parts
