"""The windows that judges are shown, and what is marked in them."""

import numpy as np
import scipy.sparse
from sklearn.preprocessing import normalize

from skdict.inspection import RecordCollector, TokenBlock
from skdict.inspection.evidence import document_bounds

# Tokens at least this share of the largest code in a window are marked.
MARKED_SHARE = 0.3


def windows_and_prevalence(blocks, n_features, *, window, n_active, n_silent, seed):
    """Return windows of each feature, and in which share of all windows it fires.

    Parameters
    ----------
    blocks : iterable of (csr_array, Activations)
        Codes of whole documents.
    n_features : int
        Columns of the codes.
    window : int
        Tokens in a window.
    n_active, n_silent : int
        Most windows in which a feature fires and does not.
    seed : int
        Of the draw.

    Returns
    -------
    list of FeatureRecords
        Windows with the feature in `random`, without in `silent`.
    ndarray of float, shape (n_features,)
        The shares.
    """
    collector = RecordCollector(
        n_features, window=window, n_top=0, n_random=n_active, n_silent=n_silent, seed=seed
    )
    fired, n_windows = np.zeros(n_features), 0
    for codes, block in blocks:
        collector.update(codes, block)
        of_row = _window_of_row(TokenBlock.of(block), window)
        n_windows += of_row[-1] + 1
        active = codes.tocoo()
        rows, columns = active.coords
        pairs = np.unique(of_row[rows[active.data > 0]] * n_features + columns[active.data > 0])
        fired += np.bincount(pairs % n_features, minlength=n_features)
    return collector.records(), fired / max(n_windows, 1)


def hardest(silent, active, n):
    """Return the n silent windows whose tokens are most like those of windows with a feature.

    Parameters
    ----------
    silent, active : sequence of Record
        Windows.
    n : int
        How many.

    Returns
    -------
    list of Record
        By the cosine between counts of tokens, the most alike first.
    """
    ids = np.concatenate([record.token_ids for record in [*silent, *active]])
    types, column = np.unique(ids, return_inverse=True)
    sizes = [len(record.token_ids) for record in [*silent, *active]]
    rows = np.repeat(np.arange(len(sizes)), sizes)
    shape = len(sizes), len(types)
    counts = scipy.sparse.coo_array((np.ones(len(ids)), (rows, column)), shape=shape).tocsr()
    counts = normalize(counts)
    together = np.asarray(counts[len(silent) :].sum(axis=0))
    order = np.argsort(-(counts[: len(silent)] @ together), kind="stable")
    return [silent[i] for i in order[:n]]


def right_marks(codes):
    """Return where a code is at least 0.3 of the largest one."""
    return (codes > 0) & (codes >= MARKED_SHARE * codes.max())


def wrong_marks(codes, n, rng):
    """Return at most n random places where there is no code."""
    marked = np.zeros(len(codes), dtype=bool)
    marked[rng.permutation(np.flatnonzero(codes == 0))[:n]] = True
    return marked


def _window_of_row(tokens, length):
    """Return the number of the window of each row, counted through all documents."""
    first = document_bounds(tokens.documents)[:-1]
    row = np.arange(len(tokens)) - np.repeat(first, np.diff([*first, len(tokens)]))
    return np.cumsum(row % length == 0) - 1
