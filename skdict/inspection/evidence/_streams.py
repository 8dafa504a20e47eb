"""Random numbers that depend on what is drawn rather than when, with one stream per draw.

A number is a hash of a seed, a stream and the items it belongs to, such as a feature and a window,
so results do not depend on the order or the number of blocks. Only `split_documents` hashes the
seed and document without a stream, because the splits of published results must not change.
"""

from enum import IntEnum

import numpy as np

_ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


class Stream(IntEnum):
    """Purpose of a random number; results depend on the integers, so they must never change."""

    # Random windows of `RecordCollector`, drawn uniformly where a feature fires.
    RANDOM_WINDOWS = 1
    # Importance windows, drawn in proportion to the square of their largest code.
    IMPORTANT_WINDOWS = 2
    # Pool of windows, shared by all features, that silent windows are drawn from.
    SILENT_POOL = 3
    # Silent windows, drawn from the pool where a feature does not fire.
    SILENT_WINDOWS = 4
    # Permutation of explanations for the shuffled-explanation control.
    SHUFFLED_EXPLANATIONS = 5
    # Features to interpret.
    FEATURES = 6
    # Start of the fragment in each document, in the protocol of Cunningham et al. (2023).
    FRAGMENTS = 7
    # Windows of each quantile of the codes, to explain from and to test on, as in delphi.
    QUANTILE_WINDOWS = 8
    # Silent windows for the same test.
    QUANTILE_SILENT = 9
    # Choice, order and placement of the windows shown to a judge.
    JUDGE = 10


def mix(*values):
    """Return a 64-bit hash of each tuple of integers, using the finaliser of splitmix64."""
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
    """Return a number in (0, 1] for each tuple of integers."""
    return ((mix(*values) >> np.uint64(11)).astype(np.float64) + 1) * 2.0**-53
