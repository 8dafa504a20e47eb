"""Selection of the tokens to mark in the windows shown to judges."""

import numpy as np

# Minimum code of a marked token, as a fraction of the largest code in the window.
MARKED_SHARE = 0.3


def right_marks(codes):
    """Return a mask of the tokens whose code is at least 0.3 of the largest code."""
    return (codes > 0) & (codes >= MARKED_SHARE * codes.max())


def wrong_marks(codes, n, rng):
    """Return a mask of at most n random tokens on which the feature does not fire."""
    marked = np.zeros(len(codes), dtype=bool)
    marked[rng.permutation(np.flatnonzero(codes == 0))[:n]] = True
    return marked
