"""Measure how sparse codes are and which features fire."""

from skdict._validation import check_number
from skdict.decomposition import are_dead, firing_counts


def l0(codes):
    """Return the mean number of non-zero codes per row (L0).

    Parameters
    ----------
    codes : {array-like, sparse matrix} of shape (n_samples, n_components)
        Codes of any sign.

    Returns
    -------
    float
        Mean number of features that fire, between 0 and `n_components`.

    Raises
    ------
    ValueError
        If the codes are not two-dimensional or have no rows.

    Examples
    --------
    >>> from skdict.metrics import l0
    >>> l0([[0.0, 2.0], [1.0, -1.0]])
    1.5
    """
    counts, n_rows = firing_counts(codes)
    return float(counts.sum() / n_rows)


def dead_features(codes, *, min_count=1):
    """Return a flag for each feature, True if it fires on fewer than `min_count` rows.

    Parameters
    ----------
    codes : {array-like, sparse matrix} of shape (n_samples, n_components)
        Codes of any sign.
    min_count : int, default=1
        Minimum number of rows on which an alive feature fires. Cunningham et al. (2023) count
        features that fire on more than 10 rows as alive, ``min_count=11``.

    Returns
    -------
    ndarray of shape (n_components,), dtype bool
        True for dead features.

    Raises
    ------
    ValueError
        If `min_count` is below 1, or the codes are not two-dimensional or have no rows.
    TypeError
        If `min_count` is not a whole number.

    Examples
    --------
    >>> from skdict.metrics import dead_features
    >>> dead_features([[0.0, 2.0], [0.0, -1.0]]).tolist()
    [True, False]
    """
    check_number("min_count", min_count, low=1, integer=True)
    return are_dead(firing_counts(codes)[0], min_count)
