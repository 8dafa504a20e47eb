"""The tokens that are marked in the windows that judges are shown."""

import numpy as np

# Tokens at least this share of the largest code in a window are marked.
MARKED_SHARE = 0.3


def right_marks(codes):
    """Return where a code is at least 0.3 of the largest one."""
    return (codes > 0) & (codes >= MARKED_SHARE * codes.max())


def wrong_marks(codes, n, rng):
    """Return at most n random places where there is no code."""
    marked = np.zeros(len(codes), dtype=bool)
    marked[rng.permutation(np.flatnonzero(codes == 0))[:n]] = True
    return marked
