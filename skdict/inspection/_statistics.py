"""Compute statistics of every feature in one pass over codes and tokens."""

from operator import attrgetter

import numpy as np
from sklearn.exceptions import NotFittedError

from skdict._text import readable_token
from skdict._validation import check_choice, check_number
from skdict.decomposition import check_is_dictionary
from skdict.inspection._checks import check_activations, check_codes
from skdict.inspection._feature_sums import HISTOGRAM_EDGES, FeatureSums
from skdict.inspection._token_tables import TokenTable
from skdict.inspection.evidence import (
    RecordCollector,
    in_document_order,
    iter_coded_documents,
    iter_documents,
)

ORDERS = ("share", "probability", "lift", "firings")
COLUMNS = ("counts", "density", "mean", "variance", "skewness", "kurtosis", "mean_active", "max")
TOKEN_COLUMNS = ("token_entropy", "single_token_share")


def _counted(name):
    """Return a read-only property for an attribute of the sums."""
    return property(lambda self: attrgetter(name)(self._counted()))


class FeatureStatistics:
    r"""Counts, moments, token tables and example windows of every feature, from one pass.

    A feature fires where its code is positive. Documents can be split into blocks in any way and
    come in any order, and statistics of different documents can be merged. Counts, maxima,
    histograms and windows do not depend on the order; moments and shares agree up to float64
    rounding. Memory grows with the number of features, windows kept, distinct (feature, token)
    pairs and documents, but not with the number of tokens.

    Parameters
    ----------
    window : int, default=64
        Number of tokens in a window. Documents are cut into consecutive windows.
    n_top, n_random, n_importance, n_silent : int, default=20, 0, 0 and 0
        Maximum number of windows of each kind to keep for each feature: those with the largest
        codes, those drawn uniformly where the feature fires, those drawn in proportion to the
        square of their largest code, and those drawn where it does not fire.
    token_tables : bool, default=True
        If True, count the tokens that each feature fires on.
    cooccurrence : bool, default=False
        If True, count how often each pair of features fires on the same token, in an array of
        shape (n_features, n_features). Limited to 8,192 features.
    seed : int, default=0
        Seed for drawing windows.

    Attributes
    ----------
    n_tokens_, n_documents_ : int
        Number of tokens and documents seen.
    counts_ : ndarray of shape (n_features,), dtype int64
        Number of tokens on which each feature fires.
    density_ : ndarray of shape (n_features,)
        Fraction of tokens on which each feature fires.
    mean_, variance_ : ndarray of shape (n_features,)
        Mean and variance of the codes, zeros included; the variance divides by `n_tokens_`.
    skewness_, kurtosis_ : ndarray of shape (n_features,)
        Standardised third central moment, and fourth minus 3, as defined in `scipy.stats`; nan
        for a feature whose code is constant.
    mean_active_ : ndarray of shape (n_features,)
        Mean of the positive codes; 0 for a feature that never fires.
    max_ : ndarray of shape (n_features,)
        Largest code, in units of the activations; 0 for a feature that never fires.
    histogram_ : ndarray of shape (n_features, 128), dtype int64
        Number of positive codes in each bin.
    histogram_edges_ : ndarray of shape (129,)
        Bin edges in geometric progression; codes beyond the edges count in the outermost bins.
    token_counts_ : ndarray of shape (n_token_ids,), dtype int64
        Number of occurrences of each token.
    token_entropy_ : ndarray of shape (n_features,)
        :math:`-\sum_t p_t \log p_t / \log V`, where :math:`p_t` is the share of the feature's
        total code on token t and V is the number of distinct tokens seen. 0 for a feature that
        fires on a single token, 1 for one spread evenly over all tokens, nan for one that never
        fires.
    single_token_share_ : ndarray of shape (n_features,)
        Largest :math:`p_t`; nan for a feature that never fires.
    cooccurrence_ : ndarray of shape (n_features, n_features), dtype int64
        Number of tokens on which two features both fire.

    See Also
    --------
    collect_records : Return the windows alone.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import Activations
    >>> from skdict.inspection import FeatureStatistics
    >>> acts = Activations(
    ...     np.zeros((4, 2), "f"), documents=[0, 0, 1, 1], positions=[0, 1, 0, 1],
    ...     token_ids=[0, 1, 0, 2], vocabulary=["a", "b", "c"],
    ... )
    >>> statistics = FeatureStatistics().fit([[0, 1.0], [0, 0], [0, 3.0], [0, 4.0]], acts)
    >>> statistics.density_.tolist(), statistics.max_.tolist()
    ([0.0, 0.75], [0.0, 4.0])
    >>> table = statistics.token_table(1)
    >>> table.tokens, table.probability.tolist(), table.share.tolist()
    (['a', 'c'], [1.0, 1.0], [0.5, 0.5])
    """

    n_tokens_ = _counted("n_tokens")
    n_documents_ = _counted("n_documents")
    counts_ = _counted("counts")
    density_ = _counted("density")
    mean_ = _counted("moments.mean")
    variance_ = _counted("moments.variance")
    skewness_ = _counted("moments.skewness")
    kurtosis_ = _counted("moments.kurtosis")
    mean_active_ = _counted("mean_active")
    max_ = _counted("max")
    histogram_ = _counted("histogram")
    token_counts_ = _counted("token_counts")
    token_entropy_ = _counted("token_entropy")
    single_token_share_ = _counted("single_token_share")
    cooccurrence_ = _counted("together")
    histogram_edges_ = HISTOGRAM_EDGES

    def __init__(
        self,
        *,
        window=64,
        n_top=20,
        n_random=0,
        n_importance=0,
        n_silent=0,
        token_tables=True,
        cooccurrence=False,
        seed=0,
    ):
        self.window = window
        self.n_top = n_top
        self.n_random = n_random
        self.n_importance = n_importance
        self.n_silent = n_silent
        self.token_tables = token_tables
        self.cooccurrence = cooccurrence
        self.seed = seed
        self._forget()

    @classmethod
    def from_estimator(cls, dictionary, activations, **options):
        """Return the statistics of a dictionary's codes, encoding activations block by block.

        Parameters
        ----------
        dictionary : estimator
            Fitted dictionary, or a Pipeline that ends in one.
        activations : Activations of shape (n_tokens, width)
            Rows to encode. They are read block by block, and only one block of codes is held at
            a time.
        **options : dict
            Parameters of `FeatureStatistics`.

        Returns
        -------
        FeatureStatistics
            Statistics over all rows.

        Raises
        ------
        TypeError
            If `dictionary` is not a fitted dictionary, or `activations` is not an `Activations`
            object.
        """
        check_is_dictionary(dictionary)
        statistics = cls(**options)
        for block in iter_documents(check_activations(activations)):
            statistics.partial_fit(dictionary.transform(block), block)
        return statistics

    def fit(self, codes, activations):
        """Compute statistics of codes in memory, discarding earlier counts.

        Parameters
        ----------
        codes : {array-like, sparse matrix} of shape (n_tokens, n_features)
            Codes of the activations.
        activations : Activations of shape (n_tokens, width)
            Rows that were encoded, in any order.

        Returns
        -------
        FeatureStatistics
            The fitted object.

        Raises
        ------
        TypeError
            If `activations` is not an `Activations` object.
        ValueError
            If `codes` and `activations` have different numbers of rows, a code is not finite, or
            a row is repeated.
        """
        blocks = iter_coded_documents(check_codes(codes, activations), activations)
        self._forget()
        for part, block in blocks:
            self.partial_fit(part, block)
        return self

    def partial_fit(self, codes, activations):
        """Update the statistics with more documents.

        Parameters
        ----------
        codes : {array-like, sparse matrix} of shape (n_tokens, n_features)
            Codes of the activations.
        activations : Activations of shape (n_tokens, width)
            Rows that were encoded, in any order, with all rows of each document.

        Returns
        -------
        FeatureStatistics
            The updated object.

        Raises
        ------
        TypeError
            If `activations` is not an `Activations` object.
        ValueError
            If `codes` and `activations` have different numbers of rows, the number of features
            differs from that of earlier calls, a code is not finite, a row is repeated, or a
            document was already seen in an earlier call.
        """
        codes = check_codes(codes, activations)
        if self._sums is None:
            self._begin(codes.shape[1])
        self._check_width(codes.shape[1])
        if len(activations) == 0:
            return self
        activations, codes = in_document_order(activations, codes)
        documents = set(np.unique(activations.documents).tolist())
        if not documents.isdisjoint(self._documents):
            raise ValueError(
                f"document {min(documents & self._documents)} was already seen in an earlier "
                f"call; pass all rows of a document in one call, and each document only once"
            )
        self._documents |= documents
        self._records.update(codes, activations)
        self._sums.update(codes, activations.token_ids, len(documents))
        return self

    def merge(self, other):
        """Merge statistics of other documents, computed with the same parameters.

        Parameters
        ----------
        other : FeatureStatistics
            Statistics to add; left unchanged.

        Returns
        -------
        FeatureStatistics
            The updated object.

        Raises
        ------
        ValueError
            If the parameters or the numbers of features differ.
        """
        mine, others = self._parameters(), other._parameters()
        wrong = [f"{k}={v!r} and {others[k]!r}" for k, v in mine.items() if v != others[k]]
        if wrong:
            raise ValueError(
                f"statistics were computed with {', '.join(wrong)}; merge statistics with equal "
                f"parameters"
            )
        if other._sums is None:
            return self
        if self._sums is None:
            self._begin(other._sums.n_features)
        self._check_width(other._sums.n_features)
        self._records.merge(other._records)
        self._sums.merge(other._sums)
        self._documents |= other._documents
        return self

    def records(self):
        """Return the example windows of every feature.

        Returns
        -------
        list of FeatureRecords
            One entry per feature, in the same format as from `collect_records`.
        """
        self._counted()
        return self._records.records()

    def token_table(self, feature, *, n_tokens=None, by="share", min_count=1):
        """Return the tokens that a feature fires on.

        Parameters
        ----------
        feature : int
            Column of the codes.
        n_tokens : int or None, default=None
            Maximum number of tokens; None for all.
        by : {"share", "probability", "lift", "firings"}, default="share"
            Column to sort by, in descending order. Values are compared in float32, and ties go to
            the lower token id.
        min_count : int, default=1
            Minimum number of occurrences; rarer tokens are left out because their firing
            probability is mostly noise.

        Returns
        -------
        TokenTable
            Columns as arrays; `to_frame` converts the table to pandas.

        Raises
        ------
        ValueError
            If the feature or the column does not exist.
        AttributeError
            If `token_tables` is False.
        """
        sums = self._counted()
        check_number("feature", feature, low=0, high=sums.n_features - 1, integer=True)
        check_number("min_count", min_count, low=0, integer=True)
        check_choice("by", by, ORDERS)
        if n_tokens is not None:
            check_number("n_tokens", n_tokens, low=0, integer=True)
        columns = sums.token_columns(feature)
        # Rounding to float32 keeps the order independent of the order of summation.
        order = np.argsort(-columns[by].astype(np.float32), kind="stable")
        order = order[columns["occurrences"][order] >= min_count][:n_tokens]
        columns = {name: values[order] for name, values in columns.items()}
        tokens = [readable_token(self._records.vocabulary, i) for i in columns["token_ids"]]
        return TokenTable(tokens=tokens, **columns)

    def to_dict(self):
        """Return the per-feature statistics as a dict of columns.

        Returns
        -------
        dict of str to ndarray of shape (n_features,)
            `feature`, and each attribute that has one number per feature.
        """
        names = COLUMNS + (TOKEN_COLUMNS if self.token_tables else ())
        columns = {name: getattr(self, f"{name}_") for name in names}
        return {"feature": np.arange(len(self.counts_)), **columns}

    def to_frame(self):
        """Return the per-feature statistics as a data frame; requires pandas.

        Returns
        -------
        pandas.DataFrame
            One row per feature, indexed by `feature`.
        """
        import pandas as pd

        return pd.DataFrame(self.to_dict()).set_index("feature")

    def __repr__(self):
        if self._sums is None:
            return "FeatureStatistics()"
        sums = self._sums
        return f"FeatureStatistics({sums.n_features} features, {sums.n_tokens} tokens)"

    def _forget(self):
        self._sums = self._records = None
        self._documents = set()

    def _begin(self, n_features):
        options = self._parameters()
        counted = {name: options.pop(name) for name in ("token_tables", "cooccurrence")}
        sums = FeatureSums(n_features, **counted)
        self._records, self._sums = RecordCollector(n_features, **options), sums

    def _parameters(self):
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def _check_width(self, n_features):
        if n_features != self._sums.n_features:
            raise ValueError(
                f"codes have {n_features} columns, but earlier codes had {self._sums.n_features}; "
                f"pass codes of one dictionary"
            )

    def _counted(self):
        """Return the sums, or raise `NotFittedError` before the first fit."""
        if self._sums is None:
            raise NotFittedError("FeatureStatistics is not fitted; call fit or partial_fit first")
        return self._sums
