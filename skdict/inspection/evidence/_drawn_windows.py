"""Draw windows of text in which a feature fires or does not, in one pass."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from skdict._validation import as_host_array, check_number
from skdict.inspection.evidence._cut_windows import BlockWindows, Firings
from skdict.inspection.evidence._documents import in_document_order
from skdict.inspection.evidence._keyed_topk import KeyedTopK
from skdict.inspection.evidence._streams import Stream, mix, uniform
from skdict.inspection.evidence._token_blocks import TokenBlock

# Size of the pool that silent windows are drawn from, per silent window requested.
POOL = 16


@dataclass(frozen=True, eq=False)
class Record:
    """Window of a document with the codes of one feature.

    Parameters
    ----------
    document : int
        Document number.
    position : int
        Position of the window's first token in the document.
    token_ids : ndarray of int, shape (n_tokens,)
        Tokens of the window.
    codes : ndarray of float, shape (n_tokens,)
        Code of the feature on each token.
    """

    document: int
    position: int
    token_ids: np.ndarray
    codes: np.ndarray


@dataclass(frozen=True, eq=False)
class FeatureRecords:
    """Example windows of one feature.

    Parameters
    ----------
    feature : int
        Column of the codes.
    top : list of Record
        Windows with the largest codes, strongest first.
    random : list of Record
        Windows drawn uniformly among those in which the feature fires.
    importance : list of Record
        Windows drawn among those in which the feature fires, in proportion to the square of their
        largest code.
    silent : list of Record
        Windows drawn uniformly among those in which the feature does not fire.
    """

    feature: int
    top: list
    random: list
    importance: list
    silent: list


class RecordCollector:
    """Collector of example windows of every feature, from blocks of codes in any order.

    Documents are cut into consecutive windows. Each list contains at most one window per
    document, and no two windows with the same tokens. The draw depends only on the seed and on
    the windows themselves, so blocks can come in any order and collectors can be merged.

    Parameters
    ----------
    n_features : int
        Number of columns of the codes.
    window : int, default=64
        Number of tokens in a window; the last window of a document may be shorter.
    n_top, n_random, n_importance, n_silent : int, default=20, 20, 0 and 20
        Maximum number of windows of each kind.
    seed : int, default=0
        Seed for drawing windows.

    Attributes
    ----------
    vocabulary : sequence of str or None
        Readable text of each token id, from the first rows that have a vocabulary.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import Activations
    >>> from skdict.inspection.evidence import RecordCollector
    >>> acts = Activations(
    ...     np.zeros((4, 2), "f"), documents=[0, 0, 1, 1], positions=[0, 1, 0, 1],
    ...     token_ids=[0, 1, 0, 2],
    ... )
    >>> records = RecordCollector(1, window=2).update([[0.0], [2.0], [0.0], [0.0]], acts).records()
    >>> records[0].top[0].codes.tolist(), records[0].silent[0].token_ids.tolist()
    ([0.0, 2.0], [0, 2])
    """

    def __init__(
        self, n_features, *, window=64, n_top=20, n_random=20, n_importance=0, n_silent=20, seed=0
    ):
        check_number("n_features", n_features, low=1, integer=True)
        check_number("window", window, low=1, integer=True)
        wanted = {"top": n_top, "random": n_random, "importance": n_importance}
        for kind, number in {**wanted, "silent": n_silent}.items():
            check_number(f"n_{kind}", number, low=0, integer=True)
        self.n_features, self.window, self.seed = n_features, window, seed
        self.n_silent = n_silent
        self._lists = {kind: KeyedTopK(number) for kind, number in wanted.items()}
        self._pool = KeyedTopK(POOL * n_silent)
        self._active = {}
        self._n_windows, self._n_fired = 0, np.zeros(n_features, dtype=np.int64)
        self.vocabulary = None

    def update(self, codes, activations):
        """Update the windows with the codes of whole documents.

        Parameters
        ----------
        codes : {array-like, sparse matrix} of shape (n_tokens, n_features)
            Codes of the rows; positive codes count as firing.
        activations : Activations of shape (n_tokens, width)
            Rows that were encoded, in any order, with all rows of each document.

        Returns
        -------
        RecordCollector
            The collector itself.

        Raises
        ------
        ValueError
            If the codes have the wrong shape, or a row is repeated.
        """
        codes = scipy.sparse.csr_array(as_host_array(codes))
        if codes.shape != (len(activations), self.n_features):
            raise ValueError(
                f"codes have shape {codes.shape}; pass codes of shape "
                f"({len(activations)}, {self.n_features}), one row per token"
            )
        tokens, codes = in_document_order(TokenBlock.of(activations), codes)
        windows = BlockWindows(tokens, self.window)
        fired = Firings(codes, windows)
        self._n_windows += len(windows)
        self._n_fired += np.bincount(fired.feature, minlength=self.n_features)
        if self.vocabulary is None:
            self.vocabulary = tokens.vocabulary
        for kind, kept in self._lists.items():
            if kept.k:
                columns = {"group": fired.feature, "key": self._keys(kind, fired, windows)}
                columns |= windows.columns(fired.window)
                kept.update(columns, lambda i: windows.tokens(fired.window[i]) | fired.codes(i))
        if self.n_silent:
            self._update_pool(windows, fired)
        return self

    def merge(self, other):
        """Merge a collector with the same parameters that was updated with other documents.

        Parameters
        ----------
        other : RecordCollector
            Collector to merge; left unchanged.

        Returns
        -------
        RecordCollector
            The collector itself.
        """
        for kind, kept in self._lists.items():
            kept.merge(other._lists[kind])
        self._pool.merge(other._pool)
        self._active |= other._active
        self._n_windows += other._n_windows
        self._n_fired += other._n_fired
        if self.vocabulary is None:
            self.vocabulary = other.vocabulary
        return self

    def records(self):
        """Return the windows of every feature.

        Returns
        -------
        list of FeatureRecords
            One entry per column; lists are shorter where too few windows exist.
        """
        lists = {kind: self._records_of(kept) for kind, kept in self._lists.items()}
        return [
            FeatureRecords(j, *(found.get(j, []) for found in lists.values()), self._silent(j))
            for j in range(self.n_features)
        ]

    def prevalence(self):
        """Return the fraction of windows in which each feature fires.

        Returns
        -------
        ndarray of float, shape (n_features,)
            Fractions of all windows, whether kept or not; 0 before the first update.
        """
        return self._n_fired / max(self._n_windows, 1)

    def _keys(self, kind, fired, windows):
        if kind == "top":
            return fired.largest
        identity = windows.content[fired.window]
        if kind == "random":
            return uniform(self.seed, Stream.RANDOM_WINDOWS, fired.feature, identity)
        # The entries with the largest u**(1/w) are a sample without replacement, weighted by w.
        drawn = uniform(self.seed, Stream.IMPORTANT_WINDOWS, fired.feature, identity)
        return np.log(drawn) / np.square(fired.largest, dtype=np.float64)

    def _update_pool(self, windows, fired):
        number = np.arange(len(windows))
        key = uniform(self.seed, Stream.SILENT_POOL, windows.content)
        columns = {"group": np.zeros(len(windows), dtype=np.int64), "key": key}
        self._pool.update(columns | windows.columns(number), windows.tokens)
        kept = set(_places(self._pool.columns))
        self._active = {at: features for at, features in self._active.items() if at in kept}
        order = np.argsort(fired.window, kind="stable")
        bounds = np.searchsorted(fired.window[order], np.arange(len(windows) + 1))
        for w in range(len(windows)):
            at = int(windows.document[w]), int(windows.position[w])
            if at in kept:
                self._active[at] = fired.feature[order[bounds[w] : bounds[w + 1]]]

    def _records_of(self, kept):
        found = {}
        columns = kept.columns or {"group": []}
        for i, group in enumerate(columns["group"]):
            found.setdefault(int(group), []).append(_record(columns, i, columns["codes"][i]))
        return found

    def _silent(self, feature):
        columns = self._pool.columns
        if columns is None:
            return []
        places = _places(columns)
        silent = [i for i, at in enumerate(places) if feature not in self._active[at]]
        key = mix(self.seed, Stream.SILENT_WINDOWS, feature, columns["content"][silent])
        zeros = np.zeros(self.window, dtype=np.float32)
        return [_record(columns, silent[i], zeros) for i in np.argsort(key)[: self.n_silent]]


def collect(blocks, n_features, **options):
    """Return a collector updated with all blocks.

    Parameters
    ----------
    blocks : iterable of (csr_array, Activations)
        Codes of whole documents, with their rows.
    n_features : int
        Number of columns of the codes.
    **options : dict
        Parameters of `RecordCollector`.

    Returns
    -------
    RecordCollector
    """
    collector = RecordCollector(n_features, **options)
    for codes, block in blocks:
        collector.update(codes, block)
    return collector


def _places(columns):
    """Return the document and first position of each window."""
    return list(zip(columns["document"].tolist(), columns["position"].tolist(), strict=True))


def _record(columns, i, codes):
    size = int((columns["tokens"][i] >= 0).sum())
    return Record(
        int(columns["document"][i]),
        int(columns["position"][i]),
        columns["tokens"][i, :size],
        codes[:size],
    )
