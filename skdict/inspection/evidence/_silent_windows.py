"""Windows in which a feature fires and windows in which it is silent, for judges to tell apart."""

import numpy as np
import scipy.sparse
from sklearn.preprocessing import normalize

from skdict.inspection.evidence._drawn_windows import collect


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
    collector = collect(
        blocks, n_features, window=window, n_top=0, n_random=n_active, n_silent=n_silent, seed=seed
    )
    return collector.records(), collector.prevalence()


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
