"""Random numbers that depend on what is drawn, not on when: each draw has a stream of its own.

A number is a hash of a seed, a stream and what it belongs to, such as a feature and a window, so
that results do not depend on the order or the number of blocks. Only `split_documents` hashes seed
and document without a stream, because the parts of published results must not change.
"""

from enum import IntEnum

import numpy as np

_ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class Stream(IntEnum):
    """What a random number is drawn for; results depend on the integers, so they never change."""

    # Windows of `RecordCollector`, drawn uniformly among those in which a feature fires.
    RANDOM_WINDOWS = 1
    # The same, drawn in proportion to the square of the largest code.
    IMPORTANT_WINDOWS = 2
    # Windows that all features share, which silent ones are drawn from.
    SILENT_POOL = 3
    # Windows of that pool, drawn among those in which a feature does not fire.
    SILENT_WINDOWS = 4
    # The order in which explanations are exchanged for the shuffled-explanation control.
    SHUFFLED_EXPLANATIONS = 5
    # The features to interpret.
    FEATURES = 6
    # Where a fragment starts in each document, for the protocol of Cunningham et al. (2023).
    FRAGMENTS = 7
    # Windows of each slice of strength, to explain from and to test on, as in delphi.
    QUANTILE_WINDOWS = 8
    # Windows in which a feature does not fire, for the same test.
    QUANTILE_SILENT = 9
    # What a judge is shown: order, placement and choice of windows.
    JUDGE = 10


def mix(*values):
    """Return 64 well-mixed bits for each tuple of whole numbers (the finaliser of splitmix64)."""
    bits = np.uint64(0)
    with np.errstate(over="ignore"):
        for value in values:
            bits = _scramble(bits * _ODD + np.asarray(value).astype(np.uint64) + _ODD)
    return bits


def _scramble(bits):
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return bits ^ (bits >> np.uint64(31))


def uniform(*values):
    """Return a number above 0 and at most 1 for each tuple of whole numbers."""
    return ((mix(*values) >> np.uint64(11)).astype(np.float64) + 1) * 2.0**-53
