"""How two dictionaries agree, beside what chance would give."""

import numpy as np
import scipy.sparse

from skdict._validation import as_host_array, check_number, check_random_state
from skdict.decomposition import dictionary_atoms
from skdict.metrics._similarity import (
    matched_cosine_similarity,
    max_cosine_similarity,
    unit_rows,
)


def capacity(components):
    r"""Return the share of a dimension that each direction has to itself.

    .. math:: C_i = \frac{(f_i \cdot f_i)^2}{\sum_j (f_i \cdot f_j)^2}

    Parameters
    ----------
    components : array-like of shape (n_components, n_features)
        Directions; their lengths do not matter.

    Returns
    -------
    ndarray of shape (n_components,), dtype float64
        Between 0 and 1; the sum is at most `n_features`, and equal to it for an orthonormal
        basis.

    Raises
    ------
    ValueError
        If there is no direction.

    References
    ----------
    Scherlis, Sachan, Jermyn, Benton and Shlegeris (2022), "Polysemanticity and Capacity in
    Neural Networks".

    Examples
    --------
    >>> from skdict.metrics import capacity
    >>> capacity([[1.0, 0.0], [0.0, 2.0], [0.0, 1.0]]).tolist()
    [1.0, 0.5, 0.5]
    """
    (directions,) = unit_rows(components)
    lengths = np.square(directions).sum(axis=1)
    # The Gram matrix squared and summed by rows, by way of the smaller (width, width) product.
    spread = np.einsum("ij,jk,ik->i", directions, directions.T @ directions, directions)
    return np.divide(lengths**2, spread, out=np.zeros_like(spread), where=spread > 0)


def code_correlation(codes, reference):
    """Return, for each feature, its largest correlation with any feature of other codes.

    Two dictionaries may cut the same feature out along different directions: then they fire
    alike and point apart.

    Parameters
    ----------
    codes : {array-like, sparse matrix} of shape (n_samples, m)
        Codes of some rows.
    reference : {array-like, sparse matrix} of shape (n_samples, k)
        Other codes of the same rows.

    Returns
    -------
    ndarray of shape (m,), dtype float64
        Pearson correlations over rows; 0 for a feature that never changes.

    Raises
    ------
    ValueError
        If the rows differ in number.

    Examples
    --------
    >>> from skdict.metrics import code_correlation
    >>> code_correlation([[1.0, 0], [2.0, 0], [4.0, 0]], [[3.0], [5.0], [9.0]]).tolist()
    [1.0, 0.0]
    """
    first, second = (
        scipy.sparse.csc_array(as_host_array(c), dtype=float) for c in (codes, reference)
    )
    n_rows = first.shape[0]
    if n_rows != second.shape[0]:
        raise ValueError(
            f"codes have {n_rows} rows and reference {second.shape[0]}; pass codes of the same rows"
        )
    means = [np.asarray(c.mean(axis=0)).ravel() for c in (first, second)]
    squares = [np.asarray(c.multiply(c).mean(axis=0)).ravel() for c in (first, second)]
    spreads = [np.sqrt(np.maximum(s - m**2, 0)) for s, m in zip(squares, means, strict=True)]
    covariance = (first.T @ second).toarray() / n_rows - np.outer(*means)
    scale = np.outer(*spreads)
    still = scale <= 1e-12 * np.outer(*map(np.sqrt, squares))
    return np.divide(covariance, scale, out=np.zeros_like(covariance), where=~still).max(axis=1)


def dictionary_similarity(dictionary, reference, *, threshold=0.9, random_state=0):
    """Return how alike two dictionaries are, both ways, beside random directions.

    Parameters
    ----------
    dictionary, reference : estimator or array-like of shape (n_components, n_features)
        Fitted dictionaries, of which the atoms are compared, or directions.
    threshold : float, default=0.9
        Cosine from which two directions count as one.
    random_state : int, RandomState instance or None, default=0
        Seed of the random directions.

    Returns
    -------
    dict of str to float
        `mmcs` and `mmcs_back`, the mean best cosine from either side; `matched`, the mean of
        the best one-to-one matching; `shared` and `shared_back`, the share of directions with
        a like on the other side; `mmcs_random` and `mmcs_random_back`, what as many random
        directions in place of `dictionary` would give.

    Raises
    ------
    TypeError
        If an estimator is no dictionary.
    ValueError
        If the widths differ or the threshold is no cosine.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.metrics import dictionary_similarity
    >>> result = dictionary_similarity(np.eye(8), np.eye(8)[:4])
    >>> result["mmcs"], result["mmcs_back"], result["matched"]
    (0.5, 1.0, 1.0)
    >>> result["mmcs_random_back"] < 1
    True
    """
    check_number("threshold", threshold, low=-1, high=1)
    first, second = unit_rows(_directions(dictionary), _directions(reference))
    noise = check_random_state(random_state).standard_normal(first.shape)
    there, back = max_cosine_similarity(first, second), max_cosine_similarity(second, first)
    return {
        "mmcs": float(there.mean()),
        "mmcs_back": float(back.mean()),
        "matched": float(matched_cosine_similarity(first, second).mean()),
        "shared": float((there >= threshold).mean()),
        "shared_back": float((back >= threshold).mean()),
        "mmcs_random": float(max_cosine_similarity(noise, second).mean()),
        "mmcs_random_back": float(max_cosine_similarity(second, noise).mean()),
    }


def stability(dictionaries):
    """Return how alike dictionaries of several seeds are, by one-to-one matching.

    Parameters
    ----------
    dictionaries : list of estimator or array-like
        At least two fitted dictionaries or sets of directions, of one width.

    Returns
    -------
    ndarray of shape (n_dictionaries, n_dictionaries), dtype float64
        Mean matched cosine of each pair; ones on the diagonal.

    Raises
    ------
    TypeError
        If an estimator is no dictionary.
    ValueError
        If there are fewer than two, or the widths differ.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.metrics import stability
    >>> stability([np.eye(3), np.eye(3)[::-1]]).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    sets = [_directions(dictionary) for dictionary in dictionaries]
    if len(sets) < 2:
        raise ValueError(f"{len(sets)} dictionary given; pass at least two to compare")
    result = np.eye(len(sets))
    for i, first in enumerate(sets):
        for j in range(i):
            result[i, j] = result[j, i] = matched_cosine_similarity(first, sets[j]).mean()
    return result


def _directions(dictionary):
    is_estimator = hasattr(dictionary, "fit")
    return dictionary_atoms(dictionary) if is_estimator else dictionary
