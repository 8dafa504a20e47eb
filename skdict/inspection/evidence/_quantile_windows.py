"""Draw windows evenly over the range of a feature's codes, to explain and to test."""

import numpy as np

from skdict.inspection.evidence._cut_windows import BlockWindows, Firings
from skdict.inspection.evidence._drawn_windows import FeatureRecords, Record
from skdict.inspection.evidence._streams import Stream, uniform
from skdict.inspection.evidence._token_blocks import TokenBlock

# Values from delphi: minimum number of windows in which a feature fires, number of quantiles, and
# number of windows to explain from.
FEWEST = 200
N_QUANTILES = 10
N_EXPLAIN = 40


def quantile_windows(read, n_features, *, window, n_test, n_silent, seed):
    """Return windows to explain from and to test on, equally many from each decile of the codes.

    Documents are cut into consecutive windows; shorter windows are left out, as are duplicates with
    the same tokens. The windows in which a feature fires are sorted by their largest code and cut
    into ten slices of equal size. Windows to explain from and other windows to test on are drawn
    from each slice. Features that fire in fewer than 200 windows get none.

    Parameters
    ----------
    read : callable
        Function without arguments that returns a new iterable of (csr_array, Activations), the
        codes of whole documents with their rows. It is called twice.
    n_features : int
        Number of columns of the codes.
    window : int
        Number of tokens in a window.
    n_test, n_silent : int
        Number of windows to test on in which the feature fires (a multiple of ten), and in which it
        does not.
    seed : int
        Seed for drawing windows.

    Returns
    -------
    list of (list of Record)
        Windows of each feature to explain from.
    list of FeatureRecords
        Windows to test on: `random` where the feature fires, `silent` where it does not.
    ndarray of float, shape (n_features,)
        Fraction of all windows in which each feature fires.
    """
    whole, pairs = _fired(read(), window)
    feature, number, largest, content = pairs
    chosen = []
    for j in range(n_features):
        own = np.flatnonzero(feature == j)
        distinct = own[np.unique(content[own], return_index=True)[1]]
        chosen.append(_draw(distinct, number, largest, n_test // N_QUANTILES, seed, j))
        free = whole.copy()
        free[number[own]] = False
        drawn = np.flatnonzero(free)
        drawn = drawn[np.argsort(uniform(seed, Stream.QUANTILE_SILENT, j, drawn))[:n_silent]]
        chosen[-1].append(drawn if len(chosen[-1][0]) else drawn[:0])
    found = _records(read(), window, chosen)
    explain, test = [], []
    for j, numbers in enumerate(chosen):
        shown, fires, silent = ([found[j, int(w)] for w in part] for part in numbers)
        explain.append(shown)
        test.append(FeatureRecords(j, [], fires, [], silent))
    return explain, test, np.bincount(feature, minlength=n_features) / max(whole.sum(), 1)


def _fired(blocks, length):
    """Return a mask of full windows, and (feature, window, largest code, content) of firings."""
    whole, parts, n_before = [np.zeros(0, dtype=bool)], [], 0
    for codes, block in blocks:
        windows = BlockWindows(TokenBlock.of(block), length)
        fired = Firings(codes, windows)
        kept = windows.sizes[fired.window] == length
        columns = fired.window + n_before, fired.largest, windows.content[fired.window]
        parts.append([values[kept] for values in (fired.feature, *columns)])
        whole.append(windows.sizes == length)
        n_before += len(windows)
    return np.concatenate(whole), [np.concatenate(v) for v in zip(*parts, strict=True)]


def _draw(own, number, largest, n_test, seed, feature):
    """Return the windows to explain from and to test on, from the strongest slice down."""
    none = np.zeros(0, dtype=np.int64)
    if len(own) < FEWEST:
        return [none, none]
    own = own[np.lexsort((number[own], -largest[own]))]
    size, n_explain = len(own) // N_QUANTILES, N_EXPLAIN // N_QUANTILES
    explain, test = [], []
    for q in range(N_QUANTILES):
        part = number[own[q * size : (q + 1) * size]]
        part = part[np.argsort(uniform(seed, Stream.QUANTILE_WINDOWS, feature, part))]
        explain.append(part[:n_explain])
        test.append(part[n_explain : n_explain + n_test])
    return [np.concatenate(explain), np.concatenate(test)]


def _records(blocks, length, chosen):
    """Return the chosen windows by feature and window number."""
    wanted = {}
    for j, parts in enumerate(chosen):
        for w in np.concatenate(parts).tolist():
            wanted.setdefault(w, []).append(j)
    found, n_before = {}, 0
    for codes, block in blocks:
        windows = BlockWindows(TokenBlock.of(block), length)
        for w in range(len(windows)):
            features = wanted.get(n_before + w)
            if features is None:
                continue
            rows = slice(windows.starts[w], windows.starts[w] + windows.sizes[w])
            place = int(windows.document[w]), int(windows.position[w]), windows.token_ids[rows]
            dense = codes[rows].toarray()
            found |= {(j, n_before + w): Record(*place, dense[:, j]) for j in features}
        n_before += len(windows)
    return found
