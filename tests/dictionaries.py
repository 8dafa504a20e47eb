"""One list of dictionaries, ours and scikit-learn's, for rows of width 6 without negatives."""

import numpy as np
import scipy.sparse
from sklearn.decomposition import (
    NMF,
    PCA,
    FastICA,
    IncrementalPCA,
    MiniBatchDictionaryLearning,
    TruncatedSVD,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.random_projection import GaussianRandomProjection

from skdict import (
    IdentityDictionary,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    SparseDictionaryAutoencoderCV,
)
from skdict.decomposition import TopKDictionary
from skdict.metrics import selection_rule

WIDTH = 6


def sae(**options):
    """Return our estimator, small and quick."""
    return SparseDictionaryAutoencoder(10, max_iter=1, random_state=0, **options)


def dense(codes):
    """Return codes of any kind as an array."""
    return codes.toarray() if scipy.sparse.issparse(codes) else np.asarray(codes)


OURS = {
    "sae": sae(),
    "untied sae": sae(tied_weights=False),
    "dense sae": sae(sparse_output=False),
    "topk sae": sae(activation="topk", target_l0=3),
    "batch topk sae": sae(activation="batch_topk", target_l0=2.5),
    "jumprelu sae": sae(activation="jumprelu", target_l0=2.5),
    "sae cv": SparseDictionaryAutoencoderCV(
        [0.1, 0.3],
        n_components=10,
        cv=2,
        selection=selection_rule(target_l0=3),
        max_iter=1,
        random_state=0,
    ),
    "identity": IdentityDictionary(),
    "random": RandomDictionary(9, random_state=0),
    "top-k pca": TopKDictionary(PCA(5), 2),
    "top-k sae": TopKDictionary(sae(), 2),
    "top-k random, gain": TopKDictionary(RandomDictionary(9, random_state=0), 3, gain=True),
    "top-k ica, split": TopKDictionary(FastICA(5, random_state=0), 2, split_sign=True, gain=True),
}
THEIRS = {
    "pca": PCA(4),
    "whitened pca": PCA(4, whiten=True),
    "incremental pca": IncrementalPCA(4),
    "ica": FastICA(4, random_state=0, whiten="unit-variance", max_iter=1000),
    "nmf": NMF(4, random_state=0, max_iter=2000),
    "svd": TruncatedSVD(4, random_state=0),
    "dictionary learning": MiniBatchDictionaryLearning(8, random_state=0, max_iter=20),
    "projection": GaussianRandomProjection(4, compute_inverse_components=True, random_state=0),
}
PIPELINES = {
    "scaler, sae": make_pipeline(StandardScaler(), sae()),
    "pca, sae": make_pipeline(PCA(5), sae()),
    "scaler, pca, sae": make_pipeline(StandardScaler(), PCA(5), sae()),
    "pca, top-k": make_pipeline(PCA(5), TopKDictionary(sae(), 3)),
    "scaler, pca": make_pipeline(StandardScaler(), PCA(3)),
    "pipeline of one": make_pipeline(sae()),
}
# These solve a problem for each row, so no matrix encodes.
ON_THE_HOST = {"nmf", "dictionary learning"}
ALL = OURS | THEIRS | PIPELINES
