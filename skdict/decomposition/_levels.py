"""Check the prefix sizes of a matryoshka dictionary and convert them to training levels."""

import numbers
from itertools import pairwise

import numpy as np

from skdict._core import Levels

EXAMPLES = "matryoshka=[1/16, 1/4] or matryoshka=[128, 512]"


def check_matryoshka(sae):
    """Check prefix sizes, and their fit to `n_components` if that is given.

    Raises
    ------
    TypeError
        If `matryoshka` is neither None nor a sequence of numbers.
    ValueError
        If it is empty, mixes sizes and fractions, is out of range or does not increase.
    """
    given = sae.matryoshka
    if given is None:
        return
    listed = _as_numbers(given)
    if not listed:
        raise ValueError(
            f"matryoshka={given!r} contains no prefix; pass {EXAMPLES}, or matryoshka=None"
        )
    are_sizes = [isinstance(number, numbers.Integral) for number in listed]
    if any(are_sizes) and not all(are_sizes):
        raise ValueError(
            f"matryoshka={given!r} mixes whole numbers and fractions; pass only one kind, such as "
            f"{EXAMPLES}"
        )
    _check_range(given, listed, all(are_sizes))
    if sae.n_components is not None:
        levels_of(sae, sae.n_components)


def levels_of(sae, n_components):
    """Return the levels that an estimator trains, with equal weights, or None for a single level.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder
        Estimator whose `matryoshka` is used, after `check_matryoshka`.
    n_components : int
        Number of features, which is the size of the last level.

    Returns
    -------
    Levels or None

    Raises
    ------
    ValueError
        If a prefix would contain no feature, all features, or as many as the previous one.
    """
    if sae.matryoshka is None:
        return None
    ends = [
        int(number) if isinstance(number, numbers.Integral) else round(number * n_components)
        for number in sae.matryoshka
    ]
    if ends[-1] >= n_components:
        raise ValueError(
            f"matryoshka={sae.matryoshka!r} makes a prefix of {ends[-1]} of {n_components} "
            f"features; pass sizes below n_components, since the full dictionary is always the "
            f"last level"
        )
    if ends[0] == 0 or (np.diff(ends) == 0).any():
        raise ValueError(
            f"matryoshka={sae.matryoshka!r} of {n_components} features rounds to prefixes of "
            f"{ends}; pass fractions that give distinct sizes of at least 1, or raise n_components"
        )
    n_levels = len(ends) + 1
    return Levels((*ends, n_components), (1 / n_levels,) * n_levels)


def _as_numbers(given):
    """Return prefix sizes as a list of numbers; raise TypeError for anything else."""
    listed = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(listed, (list, tuple)) or not all(map(_is_number, listed)):
        raise TypeError(
            f"matryoshka={given!r} is not accepted: pass a list of increasing prefix sizes, such "
            f"as {EXAMPLES}, or None"
        )
    return listed


def _is_number(value):
    kinds = numbers.Integral, float, np.floating
    return isinstance(value, kinds) and not isinstance(value, bool)


def _check_range(given, listed, are_sizes):
    """Raise ValueError for sizes below 1, fractions outside (0, 1) and non-increasing values."""
    within = (lambda number: number >= 1) if are_sizes else (lambda number: 0 < number < 1)
    outside = [number for number in listed if not within(number)]
    if outside:
        wanted = "sizes of at least 1" if are_sizes else "fractions strictly between 0 and 1"
        raise ValueError(
            f"matryoshka={given!r} contains {outside}; pass {wanted}, such as {EXAMPLES}"
        )
    if any(after <= before for before, after in pairwise(listed)):
        raise ValueError(
            f"matryoshka={given!r} does not increase strictly; sort the sizes and remove duplicates"
        )
