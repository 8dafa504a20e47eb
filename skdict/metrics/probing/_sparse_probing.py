"""Scorer that probes labels with a few features of a dictionary."""

import numpy as np
from sklearn.base import BaseEstimator

from skdict._validation import as_rows, check_flag, check_number, check_random_state
from skdict.decomposition import check_is_dictionary
from skdict.metrics._scorer import split_rows
from skdict.metrics.probing._encoded import EncodedRows, PooledDocuments
from skdict.metrics.probing._results import DENSE, fit_probes
from skdict.metrics.probing._sampling import draw_samples
from skdict.metrics.probing._units import label_units


class SparseProbing(BaseEstimator):
    r"""Scorer that measures how well a few features of a dictionary predict labels.

    For each label, the k features whose mean codes differ most between the classes are selected on
    training documents, a logistic regression is fitted on their codes, and its balanced accuracy
    is measured on other documents (Gurnee et al. 2023; Karvonen et al. 2025). The chance level is
    0.5. The dense probe, the same regression on the rows themselves, shows how well the label can
    be read without a dictionary. A dictionary whose features match the labels comes close to it
    with k = 1.

    Use as ``scoring=SparseProbing(label_tokens)`` or
    ``compare_dictionaries(..., scorers=[SparseProbing(label_tokens)])``.

    Parameters
    ----------
    labels : array-like of shape (n_rows,), dict of str to array-like, Bunch, or callable
        Labels by name: bool, int or str. The empty string marks rows without a label. A label with
        more than two classes is probed once for each class, against the others. Also a Bunch with
        an entry `labels`, such as `skdict.datasets.load_stories` returns, or a function from the
        rows to any of these, such as `skdict.datasets.label_tokens`. Cross-validation requires a
        function, or labels of documents.
    k : sequence of int, default=(1, 2, 5, 16)
        Numbers of features to probe with.
    per_document : bool, default=False
        If True, labels are indexed by document, and rows and codes are averaged over the tokens of
        each document. If False, labels are per row.
    groups : array-like or callable, optional
        Group of each row or, with ``per_document=True``, of each document. Samples of one group
        stay on the same side of the split. By default, groups are documents; rows without
        documents are their own groups.
    test_size : float, default=0.3
        Share of the groups to test on.
    max_samples : int, default=4000
        Maximum number of samples of each problem to fit on, and to test on. At most half of them
        are of one class. Only drawn samples are encoded, so memory does not grow with the number
        of rows.
    min_samples : int, default=20
        Minimum number of samples of each class on each side of the split; they must come from at
        least five groups. Labels with fewer are not probed and are named in a UserWarning.
    C : float, default=1.0
        Inverse strength of the L2 penalty of the logistic regressions.
    random_state : int, RandomState instance or None, default=0
        Seed for the split, the drawn samples and the bootstrap. With an int, every dictionary is
        probed on the same samples.

    See Also
    --------
    skdict.datasets.label_tokens : Label tokens by part of speech, number and more.
    skdict.datasets.label_sections : Label sections of articles by topic.
    compare_dictionaries : Compare dictionaries on the same rows.

    Notes
    -----
    Features are ranked by the squared difference of the class means over the variance, each class
    counted equally, and their codes are scaled to unit variance, so the scale of a feature does
    not matter. The dense probe divides all columns by one number instead, so that a rotation of
    the rows changes nothing. For signed codes (PCA, FastICA, neurons)
    a component is one feature, ranked by the absolute difference: the regression can weight it
    either way, so results do not depend on the signs or the order of the components. To count the
    two signs as two features, pass a `TopKDictionary` with ``split_sign=True``.

    The confidence intervals are percentiles over 1,000 bootstrap samples of the test groups, which
    all labels share. They describe the choice of test documents, not of training documents.
    Selection looks at one feature at a time, so two selected features may be near copies.

    References
    ----------
    Gurnee, Nanda, Pauly, Harvey, Troitskii and Bertsimas (2023), "Finding Neurons in a Haystack:
    Case Studies with Sparse Probing".

    Karvonen et al. (2025), "SAEBench: A Comprehensive Benchmark for Sparse Autoencoders in
    Language Model Interpretability".

    Examples
    --------
    >>> import numpy as np
    >>> from skdict.decomposition import IdentityDictionary
    >>> from skdict.metrics import SparseProbing
    >>> X = np.random.default_rng(0).standard_normal((2000, 8))
    >>> neurons = IdentityDictionary().fit(X)
    >>> scorer = SparseProbing({"first": X[:, 0] > 0, "sum": X[:, 0] + X[:, 1] > 0}, k=[1, 2])
    >>> {name: round(value, 2) for name, value in scorer.measure(neurons, X).items()
    ...  if name in ("probing_1", "probing_2", "probing_dense")}
    {'probing_1': 0.87, 'probing_2': 1.0, 'probing_dense': 1.0}
    """

    def __init__(
        self,
        labels,
        *,
        k=(1, 2, 5, 16),
        per_document=False,
        groups=None,
        test_size=0.3,
        max_samples=4000,
        min_samples=20,
        C=1.0,
        random_state=0,
    ):
        self.labels = labels
        self.k = k
        self.per_document = per_document
        self.groups = groups
        self.test_size = test_size
        self.max_samples = max_samples
        self.min_samples = min_samples
        self.C = C
        self.random_state = random_state

    def __call__(self, estimator, X, y=None):
        """Return the mean balanced accuracy over labels with the first number of features in `k`.

        Parameters
        ----------
        estimator : estimator
            Fitted dictionary, or a Pipeline that ends in one and may start from texts.
        X : array-like of shape (n_rows, n_features), or input of the Pipeline
            Rows, with documents if the labels are of documents.
        y : None
            Ignored.

        Returns
        -------
        float
            Mean balanced accuracy.

        Raises
        ------
        TypeError
            As for `measure`.
        ValueError
            As for `measure`.
        """
        return self._probe(estimator, X).summary()[f"probing_{next(iter(self.k))}"]

    def measure(self, estimator, X):
        """Return the mean balanced accuracies over labels, with confidence intervals.

        Parameters
        ----------
        estimator : estimator
            Fitted dictionary, or a Pipeline that ends in one and may start from texts.
        X : array-like of shape (n_rows, n_features), or input of the Pipeline
            Rows, with documents if the labels are of documents.

        Returns
        -------
        dict of str to float
            For each k, `probing_<k>`, the balanced accuracy averaged over labels, with the bounds
            `probing_<k>_low` and `probing_<k>_high` of its 95 % confidence interval;
            `probing_dense` with its bounds for the dense probe; `n_probed`, the number of labels
            (classes, for labels with more than two).

        Raises
        ------
        TypeError
            If `estimator` is not a dictionary, or labels are not bool, int or str.
        ValueError
            If labels or groups do not fit the rows, the rows have no documents but
            ``per_document=True``, the dictionary has fewer components than the largest k, there
            are fewer than ten groups, no label has enough samples, a drawn row is not finite, or a
            parameter is out of range.

        Warns
        -----
        UserWarning
            If some labels have too few samples to be probed.
        """
        return self._probe(estimator, X).summary()

    def measure_each(self, estimators, X):
        """Measure several dictionaries on the same samples, fitting the dense probe once.

        Parameters
        ----------
        estimators : iterable of estimator
            Fitted dictionaries.
        X : array-like of shape (n_rows, n_features)
            Rows, with documents if the labels are of documents.

        Yields
        ------
        dict of str to float
            Result of `measure` for each dictionary in order.

        Raises
        ------
        TypeError
            As for `measure`.
        ValueError
            As for `measure`.
        """
        seed = check_random_state(self.random_state).get_state()
        dense = None
        for estimator in estimators:
            source = np.random.RandomState()
            source.set_state(seed)
            results = self._probe(estimator, X, source, dense)
            dense = results.hits[DENSE]
            yield results.summary()

    def report(self, estimator, X):
        """Return the balanced accuracy of every probe, with the selected features.

        Parameters
        ----------
        estimator : estimator
            Fitted dictionary, or a Pipeline that ends in one and may start from texts.
        X : array-like of shape (n_rows, n_features), or input of the Pipeline
            Rows, with documents if the labels are of documents.

        Returns
        -------
        list of dict
            One record for each label and k, and for the dense probe: `label`; `k`, a number or
            "dense"; `balanced_accuracy`, with the bounds `low` and `high` of its 95 % confidence
            interval; `features`, the selected features, most different first (empty for the dense
            probe); `base_rate`, the share of the class among all labelled samples; `n_train` and
            `n_test`, the numbers of samples drawn.

        Raises
        ------
        TypeError
            As for `measure`.
        ValueError
            As for `measure`.
        """
        return self._probe(estimator, X).records()

    def _probe(self, estimator, X, source=None, dense=None):
        """Return the `Results` of a dictionary."""
        sizes = self._check_params()
        dictionary, X = split_rows(estimator, X)
        n_components = len(check_is_dictionary(dictionary).components_)
        if max(sizes) > n_components:
            raise ValueError(
                f"k contains {max(sizes)} but the dictionary has {n_components} components; pass "
                f"smaller numbers of features"
            )
        X = as_rows(X)
        units = label_units(X, self.labels, per_document=self.per_document, groups=self.groups)
        source = check_random_state(self.random_state) if source is None else source
        draws = draw_samples(
            units.problems,
            units.groups,
            test_size=self.test_size,
            max_samples=self.max_samples,
            min_samples=self.min_samples,
            random_state=source,
        )
        used = np.unique(np.concatenate([draw.samples for draw in draws]))
        if self.per_document:
            places = np.full(len(units.groups), -1)
            places[used] = np.arange(len(used))
            samples = places[units.owner]
            encoded = PooledDocuments(dictionary, n_components, X, samples, len(used))
        else:
            encoded = EncodedRows(dictionary, n_components, X, used)
        draws = [draw.renumbered(used) for draw in draws]
        return fit_probes(draws, encoded, units.groups[used], sizes, self.C, source, dense)

    def _check_params(self):
        """Check the parameters and return `k` as a list of int."""
        check_flag("per_document", self.per_document)
        if not isinstance(self.k, (list, tuple, range, np.ndarray)) or len(self.k) == 0:
            raise ValueError(f"k={self.k!r}; pass a non-empty list of numbers of features")
        for k in self.k:
            check_number("k", k, low=1, integer=True)
        sizes = [int(k) for k in self.k]
        if len(set(sizes)) < len(sizes):
            raise ValueError(f"k={self.k!r} has duplicates; pass each number once")
        check_number("test_size", self.test_size, above=0, high=0.9)
        check_number("max_samples", self.max_samples, low=2, integer=True)
        check_number("min_samples", self.min_samples, low=1, integer=True)
        check_number("C", self.C, above=0)
        return sizes
