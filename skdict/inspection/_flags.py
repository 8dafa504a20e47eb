"""Features to look at with care: those that always fire, never fire, or read one dimension."""

import numpy as np
from sklearn.utils import Bunch

from skdict._core import iter_blocks
from skdict._validation import as_rows, check_number
from skdict.decomposition import are_dead, dictionary_atoms


def flag_features(dictionary, X, statistics, *, dense=0.1, ratio=5.0, share=0.5):
    r"""Return which features are dead, dense, or belong to outlier dimensions.

    A few dimensions of most language models are much larger than all others. Features along
    them are large on every token and mean little, yet come first wherever features are
    ordered by strength.

    Parameters
    ----------
    dictionary : estimator
        Fitted; a Pipeline may end in one.
    X : array-like of shape (n_samples, width)
        Rows, in which outlier dimensions are looked for.
    statistics : FeatureStatistics
        Of the dictionary.
    dense : float, default=0.1
        Density above which a feature is dense.
    ratio : float, default=5.0
        A dimension is an outlier if its root mean square is at least so many times the median
        of all.
    share : float, default=0.5
        A feature belongs to outlier dimensions if they have at least this share of the squared
        length of its atom, :math:`\sum_{j \in O} f_{ij}^2 / \sum_j f_{ij}^2`.

    Returns
    -------
    Bunch
        `dead`, `dense` and `outlier_dimension`, bool, and `outlier_share`, all of shape
        (n_features,); `dimensions`, the outlier dimensions of X.

    Raises
    ------
    TypeError
        If the estimator is no dictionary.
    ValueError
        If dictionary, rows and statistics do not belong together, or a threshold is out of
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
            f"the dictionary has atoms of shape {atoms.shape}, the statistics are of "
            f"{len(statistics.counts_)} features and the rows {X.shape[1]} wide; pass what "
            f"belongs together"
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
