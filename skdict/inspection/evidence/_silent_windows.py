"""Draw windows in which a feature fires or is silent, for judges to tell apart."""

import numpy as np
import scipy.sparse
from sklearn.preprocessing import normalize

from skdict.inspection.evidence._drawn_windows import collect


def windows_and_prevalence(blocks, n_features, *, window, n_active, n_silent, seed):
    """Return windows of each feature, and the fraction of all windows in which it fires.

    Parameters
    ----------
    blocks : iterable of (csr_array, Activations)
        Codes of whole documents, with their rows.
    n_features : int
        Number of columns of the codes.
    window : int
        Number of tokens in a window.
    n_active, n_silent : int
        Maximum number of windows in which a feature fires, and in which it does not.
    seed : int
        Seed for drawing windows.

    Returns
    -------
    list of FeatureRecords
        Windows in which the feature fires in `random`, and in which it does not in `silent`.
    ndarray of float, shape (n_features,)
        Fraction of windows in which each feature fires.
    """
    collector = collect(
        blocks, n_features, window=window, n_top=0, n_random=n_active, n_silent=n_silent, seed=seed
    )
    return collector.records(), collector.prevalence()


def hardest(silent, active, n):
    """Return the n silent windows whose tokens are most similar to those of active windows.

    Parameters
    ----------
    silent, active : sequence of Record
        Windows in which the feature does not fire, and in which it does.
    n : int
        Maximum number of windows to return.

    Returns
    -------
    list of Record
        Windows sorted by descending cosine similarity of token counts.
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
