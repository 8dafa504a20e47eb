"""A short form of the row numbers of a view, for pickling."""

import numpy as np


def pack_rows(rows):
    """Return row numbers as runs of consecutive numbers if that is shorter.

    Views of whole documents have few runs.

    Parameters
    ----------
    rows : slice or ndarray of int, shape (n,)
        Row numbers.

    Returns
    -------
    slice, ndarray or tuple of two ndarrays
        The rows themselves, or the first number and the length of each run.
    """
    if isinstance(rows, slice):
        return rows
    firsts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    if 2 * len(firsts) >= len(rows):
        return rows
    return rows[firsts], np.diff(firsts, append=len(rows))


def unpack_rows(packed):
    """Return the row numbers that `pack_rows` was given."""
    if not isinstance(packed, tuple):
        return packed
    starts, lengths = packed
    ends = np.cumsum(lengths)
    return np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
