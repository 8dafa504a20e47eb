"""Compare dictionaries on rows whose features are known."""

from collections import Counter

import numpy as np
from sklearn.utils import get_tags

from skdict._validation import check_number, check_random_state, told
from skdict.datasets import make_sparse_features
from skdict.metrics._compare import ComparisonTable, compare_dictionaries
from skdict.metrics._planted import PlantedFeatures

MOST_TEST_ROWS = 0.99


def synthetic_benchmark(
    estimators, data=None, *, test_size=0.25, n_active=None, n_seeds=1, random_state=0
):
    r"""Measure how well estimators recover planted features.

    Every unfitted estimator is cloned and fitted on the first rows of the data and measured on the
    last ones. An estimator that accepts only rows without negative values, such as scikit-learn's
    NMF, gets the rows minus the smallest value of each column. Matching ignores the sign of
    directions; a feature whose direction points away from its match counts as firing where its code
    is negative.

    Parameters
    ----------
    estimators : list of estimator, or dict of str to estimator
        Dictionaries, with names or without: any estimator with `components_`, `transform` and
        `inverse_transform` once fitted. A fitted one is used as it is.
    data : Bunch or None, default=None
        Rows with planted features from `make_sparse_features`. None makes 20,000 rows with its
        default parameters.
    test_size : float, default=0.25
        Share of the rows to measure on, in (0, 1).
    n_active : int, list of int or None, default=None
        Number of strongest codes to keep on each row, see `compare_dictionaries`.
    n_seeds : int, default=1
        Number of fits of each unfitted estimator that has a `random_state`.
    random_state : int, RandomState instance or None, default=0
        Seed for the default data and for the random directions that give the chance level.

    Returns
    -------
    ComparisonTable
        The measures of `compare_dictionaries` and these:

        - `mcc`: mean absolute cosine of the best one-to-one matching of learned and planted
          directions (Hungarian algorithm), and `mcc_random`, the same for as many random
          directions, the chance level;
        - `recovery` and `recovery_back`: share of planted features that have a learned direction
          at an absolute cosine of at least 0.9, and share of learned features that have a planted
          one;
        - `uniqueness`: number of different planted features among the nearest ones of all learned
          features, divided by the number of learned features;
        - `precision`, `recall`, `f1`: how well a feature fires where the nearest planted feature
          does, as a mean over the features that fire;
        - `shrinkage`: mean norm of the reconstructions divided by that of the rows; 1 means none;
        - `hedging`: how much directions lean towards features that fire together with theirs (see
          Notes); 0 for the planted directions;
        - `absorption`, if there are parents: how much more often the feature nearest to a parent
          is silent, on rows where the parent fires, if a child of it fires as well. It is 0 for
          the planted features and 1 if children take over entirely.

    Raises
    ------
    TypeError
        If an estimator is not a dictionary, `estimators` or `data` has the wrong type, or a
        parameter is not a number.
    ValueError
        If there is no estimator, `data` lacks planted features, or a parameter is out of range.

    See Also
    --------
    compare_dictionaries : Compare dictionaries on rows whose features are unknown.
    feature_recovery : Return the share of planted features that have a learned direction.

    Notes
    -----
    MCC, recovery and uniqueness are measures of directions only, so dead features count.

    Shrinkage is a ratio of means. The mean of the ratios of rows, which SAELens reports, is
    dominated by rows near zero.

    *Hedging.* Let :math:`g_j` be the planted unit directions and :math:`\mu_j` the change of the
    mean row where feature j fires, computed from the planted codes. A dictionary with too few
    features learns directions between the two [1]_. With
    :math:`\mu_j = \beta_j g_j + h_j`, :math:`h_j` orthogonal to :math:`g_j`, and the unit
    direction :math:`f_i` matched to :math:`g_j`, hedging is the least-squares coefficient t of

    .. math:: f_i - c_i g_j \approx t \, \frac{c_i}{\beta_j} \, h_j, \qquad c_i = f_i \cdot g_j,

    over all pairs. It is 0 for the planted directions and 1 for the differences of means. Where
    features fire independently of each other, :math:`h_j` is sampling noise and hedging says
    nothing.

    References
    ----------
    .. [1] Chanin, Dulka and Garriga-Alonso (2025), "Feature Hedging: Correlated Features Break
       Narrow Sparse Autoencoders".

    Examples
    --------
    >>> from sklearn.decomposition import PCA, FastICA
    >>> from skdict.datasets import make_sparse_features
    >>> from skdict.metrics import synthetic_benchmark
    >>> data = make_sparse_features(
    ...     4000, n_features=16, n_components=16, n_active=2, random_state=0
    ... )
    >>> table = synthetic_benchmark([PCA(), FastICA(random_state=0)], data)
    >>> table["FastICA"]["mcc"] > 0.95 > table["PCA"]["mcc"]
    True
    """
    named = _named(estimators)
    check_number("test_size", test_size, above=0, high=MOST_TEST_ROWS)
    random_state = check_random_state(random_state)
    if data is None:
        data = make_sparse_features(20_000, random_state=random_state)
    _check_data(data)
    n_train = len(data.X) - max(1, round(test_size * len(data.X)))
    seed = random_state.randint(np.iinfo(np.int32).max)
    options = {"n_active": n_active, "n_seeds": n_seeds}
    records, runs = [], []
    for name, estimator in named.items():
        shift = _shift(estimator, data.X)
        rows = data.X - shift
        scorer = PlantedFeatures(data, slice(n_train, None), shift, seed)
        train, test = rows[:n_train], rows[n_train:]
        table = compare_dictionaries({name: estimator}, train, test, scorers=[scorer], **options)
        records += table.records
        runs += table.runs
    return ComparisonTable(records, runs)


def _named(estimators):
    """Return estimators by name; those of a list are named by their class."""
    if isinstance(estimators, dict):
        return estimators
    if not isinstance(estimators, (list, tuple)) or not estimators:
        raise TypeError(
            f"{told('estimators', estimators)}: pass a list of dictionaries, or a dict of names "
            f"to dictionaries, with at least one"
        )
    names = [type(estimator).__name__ for estimator in estimators]
    seen, repeated = Counter(), Counter(names)
    for i, name in enumerate(names):
        seen[name] += 1
        if repeated[name] > 1:
            names[i] = f"{name}-{seen[name]}"
    return dict(zip(names, estimators, strict=True))


def _check_data(data):
    missing = [name for name in ("X", "components", "codes", "parents") if name not in data]
    if missing:
        raise ValueError(
            f"data has no {', '.join(missing)}; pass the result of make_sparse_features, or a "
            f"Bunch with X, components, codes and parents (-1 for features without a parent)"
        )


def _shift(estimator, X):
    """Return the offset that makes rows non-negative where an estimator requires that, else 0."""
    if get_tags(estimator).input_tags.positive_only:
        return X.min(axis=0)
    return np.zeros(X.shape[1], dtype=X.dtype)
