"""The dictionaries that the paper compares, under the names used in tables and figures."""

import numpy as np
import scipy.sparse
from sklearn.decomposition import PCA, FastICA

from skdict import (
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    compare_dictionaries,
)

BASELINES = {
    "ica": "ICA",
    "pca": "PCA",
    "random": "random directions",
    "neurons": "neuron basis",
}
SPARSE = {
    "sparse": "sparse dictionary",
    "untied": "untied",
    "refit": "untied, refitted",
    "batch_topk": "BatchTopK",
}
LABELS = SPARSE | BASELINES
# The paper's dictionary and its baselines.
METHODS = ("sparse", *BASELINES)
STYLES = {
    "sparse": "C0-o",
    "untied": "C3-v",
    "refit": "C4-D",
    "batch_topk": "C5-P",
    "ica": "C2-^",
    "pca": "C1-s",
    "random": "C7-x",
    "neurons": "k-d",
}
ICA_ROWS = 20_000
PCA_ROWS = 500_000  # the decomposition takes several times the memory of its rows
BLOCK_ROWS = 10_000


def sparse_estimator(args, width, seed, *, ratio=None, name="sparse", **options):
    """Return an unfitted sparse dictionary.

    Parameters
    ----------
    args : Namespace
        Options of `paper_parser`.
    width : int
        Number of columns of the rows.
    seed : int
        Random seed.
    ratio : float, optional
        Number of features divided by the width; by default that of `args`.
    name : {"sparse", "untied", "refit", "batch_topk"}, default="sparse"
        The paper's tied dictionary with an L1 penalty of strength `args.alpha`, or one of the
        others at an L0 of `args.target_l0`.
    **options
        Further parameters of the dictionary, which take precedence.
    """
    kinds = {
        "sparse": {"alpha": args.alpha},
        "untied": {"target_l0": args.target_l0, "tied_weights": False},
        "refit": {"target_l0": args.target_l0, "tied_weights": False, "debias": True},
        "batch_topk": {
            "activation": "batch_topk",
            "target_l0": args.target_l0,
            "dead_features": "auxk",
        },
    }
    parameters = {"max_iter": args.max_iter, "random_state": seed} | kinds[name] | options
    return SparseDictionaryAutoencoder(round((ratio or args.ratio) * width), **parameters)


def fitted_sparse(workspace, rows, seed, **options):
    """Return a fitted sparse dictionary; options are those of `sparse_estimator`."""
    width = rows.train.shape[1]
    return workspace.fit(sparse_estimator(workspace.args, width, seed, **options), rows)


def fitted_baseline(workspace, name, rows, seed, *, n_components=None):
    """Return one of the fitted baselines; ICA, and PCA of many rows, are fitted on a sample.

    Only random directions depend on `n_components`, by default as many as the dictionary has.
    """
    if name == "neurons":
        return workspace.fit(IdentityDictionary(), rows)
    if name == "random":
        n_components = n_components or round(workspace.args.ratio * rows.train.shape[1])
        return workspace.fit(RandomDictionary(n_components, random_state=seed), rows)
    pca = workspace.fit(PCA(svd_solver="full"), sampled(rows, PCA_ROWS, seed))
    if name == "pca":
        return pca
    # Whitening fails along directions without variance, such as a neuron that never fires.
    rank = int((pca.explained_variance_ratio_ > 1e-6).sum())
    ica = FastICA(rank, whiten="unit-variance", max_iter=100, tol=1e-2, random_state=seed)
    return workspace.fit(ica, sampled(rows, ICA_ROWS, seed))


def fitted_methods(workspace, rows, seed):
    """Return the paper's dictionary and its baselines, fitted, by name."""
    found = {"sparse": fitted_sparse(workspace, rows, seed)}
    return found | {name: fitted_baseline(workspace, name, rows, seed) for name in BASELINES}


def sampled(rows, n_rows, seed):
    """Return the same rows to measure on, and a random sample of those to fit on."""
    if n_rows >= len(rows.train):
        return rows
    chosen = np.random.default_rng(seed).permutation(len(rows.train))[:n_rows]
    key = (*rows.key, "sample", n_rows, seed)
    return rows._replace(train=np.asarray(rows.train[np.sort(chosen)]), key=key)


def mean_l0(dictionary, rows):
    """Return the mean number of nonzero codes per row."""
    codes = scipy.sparse.csr_array(dictionary.transform(np.asarray(rows)))
    return codes.count_nonzero() / codes.shape[0]


def firing_counts(dictionary, rows):
    """Return the number of rows on which each feature of a sparse dictionary fires."""
    counts = 0
    # Block by block, because with a weak penalty half of all codes are nonzero.
    for start in range(0, len(rows), BLOCK_ROWS):
        codes = dictionary.transform(np.asarray(rows[start : start + BLOCK_ROWS]))
        counts = counts + np.bincount(codes.indices[codes.data > 0], minlength=codes.shape[1])
    return counts


def measures(dictionary, rows):
    """Return L0, FVU and FVU without outlier rows as a dict."""
    found = compare_dictionaries({"it": dictionary}, None, rows)["it"]
    return {name: found[name] for name in ("l0", "fvu", "fvu_inliers")}
