"""Compare two dictionaries with each other and with chance."""

import numpy as np
import scipy.sparse

from skdict._validation import as_host_array, check_number, check_random_state
from skdict.decomposition import dictionary_atoms
from skdict.metrics._similarity import max_cosine_similarity, unit_rows


def capacity(components):
    r"""Return the capacity of each direction: the share of a dimension it has to itself.

    .. math:: C_i = \frac{(f_i \cdot f_i)^2}{\sum_j (f_i \cdot f_j)^2}

    Parameters
    ----------
    components : array-like of shape (n_components, n_features)
        Directions of any length; lengths do not affect the result.

    Returns
    -------
    ndarray of shape (n_components,), dtype float64
        Capacities between 0 and 1. Their sum is at most `n_features`, with equality for an
        orthonormal basis.

    Raises
    ------
    ValueError
        If there are no directions.

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
    # Row sums of the squared Gram matrix, by way of the smaller (width, width) product.
    spread = np.einsum("ij,jk,ik->i", directions, directions.T @ directions, directions)
    return np.divide(lengths**2, spread, out=np.zeros_like(spread), where=spread > 0)


def code_correlation(codes, reference):
    """Return the largest correlation of each feature with any feature of other codes.

    Two dictionaries may represent one feature along different directions. The features then fire
    alike although their directions differ.

    Parameters
    ----------
    codes : {array-like, sparse matrix} of shape (n_samples, m)
        Codes of some rows.
    reference : {array-like, sparse matrix} of shape (n_samples, k)
        Codes of the same rows by another dictionary.

    Returns
    -------
    ndarray of shape (m,), dtype float64
        Pearson correlations over rows; 0 for a feature whose codes are constant.

    Raises
    ------
    ValueError
        If the numbers of rows differ.

    Examples
    --------
    >>> from skdict.metrics import code_correlation
    >>> code_correlation([[1.0, 0], [2.0, 0], [4.0, 0]], [[3.0], [5.0], [9.0]]).tolist()
    [1.0, 0.0]
    """
    return code_correlations(codes, reference).max(axis=1)


def code_correlations(codes, reference):
    """Return the correlation of each feature with each feature of other codes, shape (m, k)."""
    first, second = (
        scipy.sparse.csc_array(as_host_array(c), dtype=float) for c in (codes, reference)
    )
    n_rows = first.shape[0]
    if n_rows != second.shape[0]:
        raise ValueError(
            f"codes has {n_rows} rows but reference has {second.shape[0]}; pass codes of the same "
            f"rows"
        )
    means = [np.asarray(c.mean(axis=0)).ravel() for c in (first, second)]
    squares = [np.asarray(c.multiply(c).mean(axis=0)).ravel() for c in (first, second)]
    spreads = [np.sqrt(np.maximum(s - m**2, 0)) for s, m in zip(squares, means, strict=True)]
    covariance = (first.T @ second).toarray() / n_rows - np.outer(*means)
    scale = np.outer(*spreads)
    still = scale <= 1e-12 * np.outer(*map(np.sqrt, squares))
    return np.divide(covariance, scale, out=np.zeros_like(covariance), where=~still)


def dictionary_similarity(dictionary, reference, *, threshold=0.9, random_state=0):
    """Return the similarity of two dictionaries in both directions, and its chance level.

    Parameters
    ----------
    dictionary, reference : estimator or array-like of shape (n_components, n_features)
        Fitted dictionaries, whose decoder directions are compared, or directions.
    threshold : float, default=0.9
        Smallest cosine at which two directions count as the same.
    random_state : int, RandomState instance or None, default=0
        Seed for the random directions. Pass an int for reproducible results across calls.

    Returns
    -------
    dict of str to float
        `mmcs` and `mmcs_back`, the mean max cosine similarity of `dictionary` with `reference`
        and of `reference` with `dictionary`; `matched`, the mean cosine of the best one-to-one
        matching; `shared` and `shared_back`, the share of directions that have a match on the
        other side; `mmcs_random` and `mmcs_random_back`, the chance level, with `dictionary`
        replaced by the same number of random directions.

    Raises
    ------
    TypeError
        If an estimator is not a dictionary.
    ValueError
        If the widths differ or `threshold` is outside [-1, 1].

    See Also
    --------
    skdict.inspection.DictionarySimilarityDisplay : Compare all pairs of several dictionaries.

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
        "matched": float(max_cosine_similarity(first, second, one_to_one=True).mean()),
        "shared": float((there >= threshold).mean()),
        "shared_back": float((back >= threshold).mean()),
        "mmcs_random": float(max_cosine_similarity(noise, second).mean()),
        "mmcs_random_back": float(max_cosine_similarity(second, noise).mean()),
    }


def _directions(dictionary):
    is_estimator = hasattr(dictionary, "fit")
    return dictionary_atoms(dictionary) if is_estimator else dictionary
