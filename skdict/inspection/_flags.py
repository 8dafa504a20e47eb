"""Flag features that are dead, dense or aligned with outlier dimensions."""

import numpy as np
from sklearn.utils import Bunch

from skdict._core import iter_blocks
from skdict._validation import as_rows, check_number
from skdict.decomposition import are_dead, dictionary_atoms


def flag_features(dictionary, X, statistics, *, dense=0.1, ratio=5.0, share=0.5):
    r"""Return which features are dead, dense or aligned with outlier dimensions.

    In most language models, a few dimensions of the activations are much larger than all others.
    Features aligned with them have large codes on every token and carry little meaning, yet rank
    first whenever features are sorted by code.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary, or a Pipeline that ends in one.
    X : array-like of shape (n_samples, width)
        Rows from which outlier dimensions are found.
    statistics : FeatureStatistics
        Statistics of the dictionary's features.
    dense : float, default=0.1
        Density above which a feature is dense.
    ratio : float, default=5.0
        A dimension is an outlier if its root mean square is at least `ratio` times the median
        over all dimensions.
    share : float, default=0.5
        A feature is aligned with the outlier dimensions O if they hold at least this share of the
        squared norm of its decoder direction, :math:`\sum_{j \in O} f_{ij}^2 / \sum_j f_{ij}^2`.

    Returns
    -------
    Bunch
        Boolean masks `dead`, `dense` and `outlier_dimension`, and `outlier_share`, all of shape
        (n_features,); `dimensions`, the indices of the outlier dimensions of X.

    Raises
    ------
    TypeError
        If the estimator is not a dictionary.
    ValueError
        If the dictionary, rows and statistics have different shapes, or a threshold is out of
        bounds.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import Activations
    >>> from skdict.decomposition import IdentityDictionary
    >>> from skdict.inspection import FeatureStatistics, flag_features
    >>> X = np.random.default_rng(0).standard_normal((100, 4), dtype="f") * [1, 1, 30, 1]
    >>> acts = Activations(
    ...     X, documents=np.arange(100), positions=[0] * 100, token_ids=np.arange(100)
    ... )
    >>> neurons = IdentityDictionary().fit(acts)
    >>> statistics = FeatureStatistics.from_estimator(neurons, acts)
    >>> flag_features(neurons, acts, statistics).outlier_dimension.tolist()
    [False, False, True, False]
    """
    check_number("dense", dense, low=0, high=1)
    check_number("ratio", ratio, above=1)
    check_number("share", share, above=0, high=1)
    atoms = dictionary_atoms(dictionary).astype(np.float64)
    X = as_rows(X)
    if atoms.shape != (len(statistics.counts_), X.shape[1]):
        raise ValueError(
            f"the dictionary has {atoms.shape[0]} features of width {atoms.shape[1]}, but the "
            f"statistics have {len(statistics.counts_)} features and X has {X.shape[1]} columns; "
            f"pass rows and statistics of this dictionary"
        )
    squares = sum(np.square(b, dtype=np.float64).sum(axis=0) for _, b in iter_blocks(X))
    size = np.sqrt(squares)
    outlier = (size >= ratio * np.median(size)) & (size > 0)
    lengths = np.square(atoms).sum(axis=1)
    within = np.square(atoms[:, outlier]).sum(axis=1)
    found = np.divide(within, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return Bunch(
        dead=are_dead(statistics.counts_),
        dense=statistics.density_ > dense,
        outlier_dimension=found >= share,
        outlier_share=found,
        dimensions=np.flatnonzero(outlier),
    )
