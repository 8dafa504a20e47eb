"""Documents in parts that share none: to explain on, to select on and to test on."""

import numpy as np

from skdict.inspection.evidence._documents import document_bounds
from skdict.inspection.evidence._streams import mix

PARTS = ("explain", "select", "test")


def split_documents(activations, *, seed=0, shares=(0.5, 0.2), most_tokens=131_072):
    """Deal the documents out to three parts, before anything is looked at.

    The order is that of a hash of seed and document, so it does not depend on codes, and is
    the same for every dictionary.

    Parameters
    ----------
    activations : Activations of shape (n_tokens, width)
        Whose documents are dealt out.
    seed : int, default=0
        Other seeds give other parts.
    shares : (float, float), default=(0.5, 0.2)
        Shares of the documents to explain and to select on; the rest tests.
    most_tokens : int, default=131072
        Most tokens to explain on, and half as many to select on: what is left tests.

    Returns
    -------
    dict of str to ndarray of bool, shape (n_documents,)
        For "explain", "select" and "test", which documents, by increasing number.

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
            f"the activations are of {n_documents} documents; pass at least 3: explanations are "
            f"written, chosen and tested on different documents"
        )
    # No stream here: with one, the parts would not be those of earlier results.
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
