"""Statistics of every feature, from one pass over codes and tokens."""

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
    """Return a read-only attribute of what was counted."""
    return property(lambda self: attrgetter(name)(self._counted()))


class FeatureStatistics:
    r"""Counts, moments, tokens and windows of every feature, from one pass in any order.

    A feature fires where its code is positive. Blocks of whole documents may come in any order
    and number, and statistics of different documents can be merged: counts, maxima, histograms
    and windows are then the same, moments and shares the same up to rounding in float64. Memory
    depends on the features, the windows kept, the pairs of a feature and a token that occur, and
    the number of documents, not on the number of tokens.

    Parameters
    ----------
    window : int, default=64
        Tokens in a window, as `RecordCollector` cuts them.
    n_top, n_random, n_importance, n_silent : int, default=20, 0, 0 and 0
        Most windows of each kind that are kept for each feature.
    token_tables : bool, default=True
        Whether the tokens that each feature fires on are counted.
    cooccurrence : bool, default=False
        Whether it is counted how often each two features fire on one token, in an array of
        (n_features, n_features), for at most 8,192 features.
    seed : int, default=0
        Other seeds draw other windows.

    Attributes
    ----------
    n_tokens_, n_documents_ : int
        Tokens and documents seen.
    counts_ : ndarray of shape (n_features,), dtype int64
        Tokens on which each feature fires.
    density_ : ndarray of shape (n_features,)
        Share of tokens on which each feature fires.
    mean_, variance_ : ndarray of shape (n_features,)
        Of the codes, zeros included; the variance is divided by `n_tokens_`.
    skewness_, kurtosis_ : ndarray of shape (n_features,)
        Third and fourth central moments over those powers of the standard deviation, less 3 for
        the kurtosis, as `scipy.stats` has them; nan for a feature that never changes.
    mean_active_ : ndarray of shape (n_features,)
        Mean of the positive codes; 0 for a feature that never fires.
    max_ : ndarray of shape (n_features,)
        Largest code, in units of the activations; 0 for a feature that never fires.
    histogram_ : ndarray of shape (n_features, 128), dtype int64
        Positive codes in each bin.
    histogram_edges_ : ndarray of shape (129,)
        Edges of the bins, in geometric progression; the outer bins take what is beyond.
    token_counts_ : ndarray of shape (n_token_ids,), dtype int64
        How often each token occurs.
    token_entropy_ : ndarray of shape (n_features,)
        :math:`-\sum_t p_t \log p_t / \log V`, with :math:`p_t` the share of the feature's total
        code on token t and V the number of different tokens seen: 0 for a feature of one token,
        1 for one that does not tell tokens apart, nan for one that never fires.
    single_token_share_ : ndarray of shape (n_features,)
        The largest such share; nan for a feature that never fires.
    cooccurrence_ : ndarray of shape (n_features, n_features), dtype int64
        Tokens on which both features fire.

    See Also
    --------
    collect_records : The windows alone.

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
        """Return the statistics of a dictionary's codes, encoding some documents at a time.

        Parameters
        ----------
        dictionary : estimator
            Fitted; a Pipeline may end in one.
        activations : Activations of shape (n_tokens, width)
            Read block by block; no more codes are held than those of a block.
        **options : dict
            Parameters of `FeatureStatistics`.

        Returns
        -------
        FeatureStatistics
            Of all the rows.

        Raises
        ------
        TypeError
            If `dictionary` is none, or `activations` carry no tokens.
        """
        check_is_dictionary(dictionary)
        statistics = cls(**options)
        for block in iter_documents(check_activations(activations)):
            statistics.partial_fit(dictionary.transform(block), block)
        return statistics

    def fit(self, codes, activations):
        """Count over codes at hand, forgetting what was counted before.

        Parameters
        ----------
        codes : {array-like, sparse matrix} of shape (n_tokens, n_features)
            Codes of the activations.
        activations : Activations of shape (n_tokens, width)
            The rows that the codes come from.

        Returns
        -------
        FeatureStatistics
            The object itself.

        Raises
        ------
        TypeError
            If `activations` carry no tokens.
        ValueError
            If codes and activations differ in rows, a code is not finite, or a row is repeated.
        """
        blocks = iter_coded_documents(check_codes(codes, activations), activations)
        self._forget()
        for part, block in blocks:
            self.partial_fit(part, block)
        return self

    def partial_fit(self, codes, activations):
        """Count over some more documents.

        Parameters
        ----------
        codes : {array-like, sparse matrix} of shape (n_tokens, n_features)
            Codes of the rows.
        activations : Activations of shape (n_tokens, width)
            The rows, with all tokens of each document, in any order.

        Returns
        -------
        FeatureStatistics
            The object itself.

        Raises
        ------
        TypeError
            If `activations` carry no tokens.
        ValueError
            If codes and activations differ in rows, the codes have another number of columns
            than before, a code is not finite, a row is repeated, or a document goes on from an
            earlier call.
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
                f"document {min(documents & self._documents)} goes on from the call before or an "
                f"earlier one; pass whole documents, as iter_documents cuts them, each number once"
            )
        self._documents |= documents
        self._records.update(codes, activations)
        self._sums.update(codes, activations.token_ids, len(documents))
        return self

    def merge(self, other):
        """Take in what was counted, with equal parameters, over other documents.

        Parameters
        ----------
        other : FeatureStatistics
            It stays as it is.

        Returns
        -------
        FeatureStatistics
            The object itself.

        Raises
        ------
        ValueError
            If parameters or numbers of features differ.
        """
        mine, others = self._parameters(), other._parameters()
        wrong = [f"{k}={v!r} and {others[k]!r}" for k, v in mine.items() if v != others[k]]
        if wrong:
            raise ValueError(
                f"statistics were counted with {', '.join(wrong)}; merge ones of equal parameters"
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
        """Return the windows of every feature.

        Returns
        -------
        list of FeatureRecords
            In the order of the features, as `collect_records` gives them.
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
            Most tokens; None for all.
        by : {"share", "probability", "lift", "firings"}, default="share"
            Column that they are ordered by, largest first; of equals, shares compared in
            float32, the token of the lower id comes first.
        min_count : int, default=1
            Tokens that occur less often are left out: their probability is little but chance.

        Returns
        -------
        TokenTable
            The tokens, as arrays, with `to_frame` for pandas.

        Raises
        ------
        ValueError
            If there is no such feature or column.
        AttributeError
            If tokens were not counted.
        """
        sums = self._counted()
        check_number("feature", feature, low=0, high=sums.n_features - 1, integer=True)
        check_number("min_count", min_count, low=0, integer=True)
        check_choice("by", by, ORDERS)
        if n_tokens is not None:
            check_number("n_tokens", n_tokens, low=0, integer=True)
        columns = sums.token_columns(feature)
        # Sums that differ in the order of adding only must not change places.
        order = np.argsort(-columns[by].astype(np.float32), kind="stable")
        order = order[columns["occurrences"][order] >= min_count][:n_tokens]
        columns = {name: values[order] for name, values in columns.items()}
        tokens = [readable_token(self._records.vocabulary, i) for i in columns["token_ids"]]
        return TokenTable(tokens=tokens, **columns)

    def to_dict(self):
        """Return the statistics as plain columns.

        Returns
        -------
        dict of str to ndarray of shape (n_features,)
            `feature`, and the attributes of one number for each feature.
        """
        names = COLUMNS + (TOKEN_COLUMNS if self.token_tables else ())
        columns = {name: getattr(self, f"{name}_") for name in names}
        return {"feature": np.arange(len(self.counts_)), **columns}

    def to_frame(self):
        """Return the statistics as a data frame; this needs pandas.

        Returns
        -------
        pandas.DataFrame
            One row for each feature, indexed by `feature`.
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
                f"codes have {n_features} columns, and {self._sums.n_features} before; pass codes "
                f"of one dictionary"
            )

    def _counted(self):
        """Return the sums, if there are any."""
        if self._sums is None:
            raise NotFittedError("nothing was counted yet; call fit or partial_fit first")
        return self._sums
