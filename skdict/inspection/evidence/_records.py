"""Windows of text in which a feature fires, and in which it does not, from one pass."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from skdict._validation import as_host_array, check_number
from skdict.activations import Activations
from skdict.inspection.evidence._keys import KeyedTopK, mix, uniform
from skdict.inspection.evidence._token_blocks import (
    TokenBlock,
    document_bounds,
    in_document_order,
    iter_documents,
)

# Windows that silent ones are drawn from, for each silent window wanted.
POOL = 16


@dataclass(frozen=True, eq=False)
class Record:
    """A window of one document, with the codes of one feature.

    Parameters
    ----------
    document : int
        The document.
    position : int
        Position of the first token in it.
    token_ids : ndarray of int, shape (n_tokens,)
        The tokens.
    codes : ndarray of float, shape (n_tokens,)
        The feature's code on each of them.
    """

    document: int
    position: int
    token_ids: np.ndarray
    codes: np.ndarray


@dataclass(frozen=True, eq=False)
class FeatureRecords:
    """The windows of one feature.

    Parameters
    ----------
    feature : int
        Column of the codes.
    top : list of Record
        Windows of the largest codes, strongest first.
    random : list of Record
        Windows in which it fires, drawn uniformly.
    importance : list of Record
        Windows in which it fires, drawn in proportion to the square of the largest code.
    silent : list of Record
        Windows in which it does not fire, drawn uniformly.
    """

    feature: int
    top: list
    random: list
    importance: list
    silent: list


class RecordCollector:
    """Collect the windows of every feature from blocks of codes, in any order.

    Documents are cut into consecutive windows. A list of windows has at most one of each
    document, and no two of the same tokens. Which windows are drawn depends on the seed and on
    the windows alone, so blocks may come in any order, and collectors can be merged.

    Parameters
    ----------
    n_features : int
        Columns of the codes.
    window : int, default=64
        Tokens in a window; the last of a document may be shorter.
    n_top, n_random, n_importance, n_silent : int, default=20, 20, 0 and 20
        Most windows of each kind.
    seed : int, default=0
        Other seeds draw other windows.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import Activations
    >>> from skdict.inspection import RecordCollector
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

    def update(self, codes, activations):
        """Take in the codes of some whole documents.

        Parameters
        ----------
        codes : {array-like, sparse matrix} of shape (n_tokens, n_features)
            Codes of the rows; positive ones count as firing.
        activations : Activations of shape (n_tokens, width)
            The rows, with all tokens of each document, in any order.

        Returns
        -------
        RecordCollector
            The collector itself.

        Raises
        ------
        ValueError
            If the codes have another shape, or a row is repeated.
        """
        codes = scipy.sparse.csr_array(as_host_array(codes))
        if codes.shape != (len(activations), self.n_features):
            raise ValueError(
                f"codes have shape {codes.shape}; pass codes of shape "
                f"({len(activations)}, {self.n_features}), one row for each token"
            )
        tokens, codes = in_document_order(TokenBlock.of(activations), codes)
        windows = _Windows(tokens, self.window)
        fired = _Fired(codes, windows)
        for kind, kept in self._lists.items():
            if kept.k:
                columns = {"group": fired.feature, "key": self._keys(kind, fired, windows)}
                columns |= windows.columns(fired.window)
                kept.update(columns, lambda i: windows.tokens(fired.window[i]) | fired.codes(i))
        if self.n_silent:
            self._update_pool(windows, fired)
        return self

    def merge(self, other):
        """Take in what another collector, of the same parameters, found in other documents.

        Parameters
        ----------
        other : RecordCollector
            It stays as it is.

        Returns
        -------
        RecordCollector
            The collector itself.
        """
        for kind, kept in self._lists.items():
            kept.merge(other._lists[kind])
        self._pool.merge(other._pool)
        self._active |= other._active
        return self

    def records(self):
        """Return the windows of every feature.

        Returns
        -------
        list of FeatureRecords
            In the order of the columns; lists are shorter where there are fewer windows.
        """
        lists = {kind: self._records_of(kept) for kind, kept in self._lists.items()}
        return [
            FeatureRecords(j, *(found.get(j, []) for found in lists.values()), self._silent(j))
            for j in range(self.n_features)
        ]

    def _keys(self, kind, fired, windows):
        if kind == "top":
            return fired.largest
        identity = windows.content[fired.window]
        if kind == "random":
            return uniform(self.seed, 1, fired.feature, identity)
        # The largest u**(1/w) of each group are a draw in proportion to w, one after another.
        drawn = uniform(self.seed, 2, fired.feature, identity)
        return np.log(drawn) / np.square(fired.largest, dtype=np.float64)

    def _update_pool(self, windows, fired):
        number = np.arange(len(windows))
        columns = {"group": np.zeros(len(windows), dtype=np.int64)}
        columns |= {"key": uniform(self.seed, 3, windows.content)} | windows.columns(number)
        self._pool.update(columns, windows.tokens)
        places = (self._pool.columns[name].tolist() for name in ("document", "position"))
        kept = set(zip(*places, strict=True))
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
        silent = [
            i
            for i, at in enumerate(
                zip(columns["document"].tolist(), columns["position"].tolist(), strict=True)
            )
            if feature not in self._active[at]
        ]
        key = mix(self.seed, 4, feature, columns["content"][silent])
        zeros = np.zeros(self.window, dtype=np.float32)
        return [_record(columns, silent[i], zeros) for i in np.argsort(key)[: self.n_silent]]


def collect_records(codes, activations, *, chosen=None, **options):
    """Return the windows in which each feature fires, and in which it does not.

    Parameters
    ----------
    codes : {array-like, sparse matrix} of shape (n_tokens, n_features)
        Codes of the activations.
    activations : Activations of shape (n_tokens, width)
        The rows that the codes come from, in any order.
    chosen : ndarray of bool, shape (n_documents,), or None, default=None
        Which documents the windows come from, as `split_documents` gives them; None for all.
    **options : dict
        `window`, `n_top`, `n_random`, `n_importance`, `n_silent` and `seed` of
        `RecordCollector`.

    Returns
    -------
    list of FeatureRecords
        One for each column.

    Raises
    ------
    TypeError
        If `activations` carry no tokens.
    ValueError
        If codes and activations differ in rows, or a row is repeated.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import Activations
    >>> from skdict.inspection import collect_records
    >>> acts = Activations(
    ...     np.zeros((3, 2), "f"), documents=[0, 0, 1], positions=[0, 1, 0], token_ids=[0, 1, 0],
    ... )
    >>> collect_records([[0.0], [2.0], [1.0]], acts, window=2)[0].top[1].document
    1
    """
    if not isinstance(activations, Activations):
        raise TypeError(
            f"activations is {type(activations).__name__}; pass Activations, which know the "
            f"token of each row, as ActivationExtractor gives them"
        )
    codes = scipy.sparse.csr_array(as_host_array(codes))
    if codes.shape[0] != len(activations):
        raise ValueError(
            f"codes have {codes.shape[0]} rows and activations {len(activations)}; pass the "
            f"codes of these activations"
        )
    activations, codes = in_document_order(activations, codes)
    collector = RecordCollector(codes.shape[1], **options)
    bounds = document_bounds(activations.documents)
    which = np.ones(len(bounds) - 1, dtype=bool) if chosen is None else np.asarray(chosen)
    rows = np.flatnonzero(np.repeat(which, np.diff(bounds)))
    start = 0
    for block in iter_documents(activations, which):
        collector.update(codes[rows[start : start + len(block)]], block)
        start += len(block)
    return collector.records()


class _Windows:
    """The windows of a block of whole documents."""

    def __init__(self, tokens, length):
        first = document_bounds(tokens.documents)[:-1]
        row = np.arange(len(tokens)) - np.repeat(first, np.diff([*first, len(tokens)]))
        self.starts = np.flatnonzero(row % length == 0)
        self.sizes = np.diff([*self.starts, len(tokens)])
        self.of_row = np.repeat(np.arange(len(self.starts)), self.sizes)
        self.offset = row % length
        self.length = length
        self.document = tokens.documents[self.starts]
        self.position = tokens.positions[self.starts]
        self.token_ids = tokens.token_ids
        # Sums of mixed (place, token) pairs: equal for equal windows.
        with np.errstate(over="ignore"):
            self.content = np.add.reduceat(mix(self.offset, tokens.token_ids), self.starts)

    def __len__(self):
        return len(self.starts)

    def columns(self, windows):
        """Return what tells windows apart."""
        return {
            "document": self.document[windows],
            "content": self.content[windows],
            "position": self.position[windows],
        }

    def tokens(self, windows):
        """Return the tokens of windows, -1 behind the end."""
        rows = self.starts[windows][:, None] + np.arange(self.length)
        inside = np.arange(self.length) < self.sizes[windows][:, None]
        return {"tokens": np.where(inside, self.token_ids.take(rows, mode="clip"), -1)}


class _Fired:
    """The windows in which each feature fires, in a block: one entry for each pair."""

    def __init__(self, codes, windows):
        rows = np.repeat(np.arange(codes.shape[0]), np.diff(codes.indptr))
        positive = codes.data > 0
        rows, columns, self._values = rows[positive], codes.indices[positive], codes.data[positive]
        pair = windows.of_row[rows] * codes.shape[1] + columns
        self._order = np.argsort(pair, kind="stable")
        pair = pair[self._order]
        starts = np.flatnonzero(np.concatenate([[True], pair[1:] != pair[:-1]])[: len(pair)])
        self._ends = np.concatenate([starts, [len(pair)]])
        self.window, self.feature = np.divmod(pair[starts], codes.shape[1])
        self._offset, self._length = windows.offset[rows], windows.length
        if len(starts):
            self.largest = np.maximum.reduceat(self._values[self._order], starts)
        else:
            self.largest = np.zeros(0, dtype=np.float32)

    def codes(self, entries):
        """Return the codes of whole windows for some entries."""
        filled = np.zeros((len(entries), self._length), dtype=np.float32)
        for i, entry in enumerate(entries):
            at = self._order[self._ends[entry] : self._ends[entry + 1]]
            filled[i, self._offset[at]] = self._values[at]
        return {"codes": filled}


def _record(columns, i, codes):
    size = int((columns["tokens"][i] >= 0).sum())
    return Record(
        int(columns["document"][i]),
        int(columns["position"][i]),
        columns["tokens"][i, :size],
        codes[:size],
    )
