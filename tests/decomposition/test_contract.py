"""Atoms of any dictionary are what its codes add to a row."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import NMF, PCA, FastICA, TruncatedSVD
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.random_projection import GaussianRandomProjection

from skdict import IdentityDictionary, RandomDictionary, SparseDictionaryAutoencoder
from skdict.decomposition import dictionary_atoms, dictionary_offset

DICTIONARIES = [
    PCA(3),
    PCA(3, whiten=True),
    FastICA(3, random_state=0, whiten="unit-variance"),
    NMF(3, random_state=0, max_iter=500),
    TruncatedSVD(3),
    GaussianRandomProjection(3, compute_inverse_components=True, random_state=0),
    IdentityDictionary(),
    RandomDictionary(5, random_state=0),
    SparseDictionaryAutoencoder(5, max_iter=1, random_state=0),
    make_pipeline(StandardScaler(), SparseDictionaryAutoencoder(5, max_iter=1, random_state=0)),
]


@pytest.mark.parametrize("dictionary", DICTIONARIES, ids=lambda d: repr(d)[:40])
def test_decoding_is_codes_times_atoms_plus_offset(dictionary):
    X = np.random.default_rng(0).random((200, 6))
    dictionary.fit(X)
    codes = dictionary.transform(X)
    rebuilt = dictionary.inverse_transform(codes)
    atoms, offset = dictionary_atoms(dictionary), dictionary_offset(dictionary)
    assert atoms.shape == (codes.shape[1], 6)
    np.testing.assert_allclose(codes @ atoms + offset, rebuilt, atol=1e-5)


def test_what_is_no_dictionary_is_refused():
    X = np.random.default_rng(0).random((20, 4))
    with pytest.raises(TypeError, match="KMeans has no components_"):
        dictionary_atoms(KMeans(2, n_init=1).fit(X))
    with pytest.raises(ValueError, match="leave nonlinear steps out"):
        dictionary_atoms(make_pipeline(PowerTransformer(), PCA(3)).fit(X))
