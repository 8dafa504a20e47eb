"""Compare the directions of two dictionaries by cosine similarity."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.preprocessing import normalize

from skdict._validation import as_host_array, check_flag, check_number

CHUNK_ROWS = 4096


def max_cosine_similarity(components, reference, *, one_to_one=False):
    """Return the largest cosine of each row of `components` with any row of `reference`.

    The mean of the result is the mean max cosine similarity (MMCS). It is not symmetric: with
    planted features as truth, ``(components, truth)`` measures how many learned directions are
    true, and ``(truth, components)`` how many true directions were learned.

    Parameters
    ----------
    components : array-like of shape (m, n_features)
        Directions of any length.
    reference : array-like of shape (k, n_features)
        Directions of any length.
    one_to_one : bool, default=False
        If True, match each direction to at most one direction on the other side, so that the sum
        of the cosines is largest (Hungarian algorithm).

    Returns
    -------
    ndarray of shape (m,) or (min(m, k),), dtype float64
        Signed cosines. A zero row has cosine 0 with every direction. With ``one_to_one=True``, the
        cosines of the matched pairs, in the order of the rows of the smaller dictionary.

    Raises
    ------
    ValueError
        If the widths differ or either array has no rows.
    TypeError
        If `one_to_one` is not a bool.

    References
    ----------
    Sharkey, Braun and Millidge (2022), "Taking features out of superposition with sparse
    autoencoders".

    Examples
    --------
    >>> from skdict.metrics import max_cosine_similarity
    >>> learned, truth = [[2.0, 0.0], [3.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]
    >>> max_cosine_similarity(learned, truth).tolist()
    [1.0, 1.0]
    >>> max_cosine_similarity(learned, truth, one_to_one=True).tolist()
    [1.0, 0.0]
    """
    check_flag("one_to_one", one_to_one)
    components, reference = unit_rows(components, reference)
    if one_to_one:
        cosines = components @ reference.T
        if len(components) > len(reference):
            cosines = cosines.T
        return cosines[linear_sum_assignment(cosines, maximize=True)]
    parts = range(0, len(components), CHUNK_ROWS)
    return np.concatenate(
        [(components[i : i + CHUNK_ROWS] @ reference.T).max(axis=1) for i in parts]
    )


def feature_recovery(components, truth, *, threshold=0.9):
    """Return the share of planted features that are matched by some learned direction.

    Parameters
    ----------
    components : array-like of shape (m, n_features)
        Learned directions.
    truth : array-like of shape (k, n_features)
        Planted directions.
    threshold : float, default=0.9
        Smallest cosine that counts as a match, in [-1, 1].

    Returns
    -------
    float
        Share between 0 and 1.

    Raises
    ------
    ValueError
        If the widths differ, either array has no rows, or `threshold` is outside [-1, 1].
    TypeError
        If `threshold` is not a number.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.metrics import feature_recovery
    >>> feature_recovery(np.eye(4)[:3], np.eye(4))
    0.75
    """
    check_number("threshold", threshold, low=-1, high=1)
    return float((max_cosine_similarity(truth, components) >= threshold).mean())


def unit_rows(*matrices):
    """Return sets of directions of equal width, in float64 and with rows of unit length."""
    arrays = [np.asarray(as_host_array(matrix), dtype=np.float64) for matrix in matrices]
    shapes = [array.shape for array in arrays]
    if any(len(s) != 2 or s[0] == 0 for s in shapes) or len({s[1] for s in shapes}) > 1:
        raise ValueError(
            f"directions have shapes {' and '.join(map(str, shapes))}; pass non-empty arrays of "
            f"shape (n_directions, width) with the same width"
        )
    return [normalize(array) for array in arrays]
