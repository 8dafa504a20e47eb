"""Neighbours, parts and flags are those that were planted."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from skdict.inspection import (
    feature_splitting,
    nearest_features,
)


def test_neighbours_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    atoms, others = rng.standard_normal((3000, 6)), rng.standard_normal((50, 6))
    found = nearest_features(atoms, others, n_neighbors=4)
    distances, indices = (
        NearestNeighbors(metric="cosine", n_neighbors=4).fit(others).kneighbors(atoms)
    )
    assert np.array_equal(found.indices, indices)
    assert np.allclose(found.cosines, 1 - distances)


def test_a_feature_is_no_neighbour_of_itself():
    atoms = np.random.default_rng(0).standard_normal((3000, 4))
    atoms[2500] = 2 * atoms[7]
    found = nearest_features(atoms, n_neighbors=3)
    assert not (found.indices == np.arange(3000)[:, None]).any()
    assert found.indices[7, 0] == 2500
    assert nearest_features(np.eye(3), n_neighbors=9).indices.shape == (3, 2)


def test_token_directions_that_share_a_mean():
    rng = np.random.default_rng(0)
    embeddings = rng.standard_normal((20, 8)) + 50
    feature = embeddings[[11]] - embeddings.mean(axis=0)
    found = nearest_features(feature, torch.tensor(embeddings), n_neighbors=1, center=True)
    assert found.indices.tolist() == [[11]]
    assert found.cosines[0, 0] == pytest.approx(1)
    rotation = PCA(8).fit(embeddings)
    assert nearest_features(rotation, rotation.components_[::-1]).indices[0, 0] == 7


def test_splitting_wants_both_direction_and_firing():
    rng = np.random.default_rng(0)
    codes = (rng.random((1000, 2)) < 0.3).astype(float)
    on, turn = codes[:, 0] > 0, rng.random(1000) < 0.5
    large_codes = np.zeros((1000, 4))
    large_codes[:, 0], large_codes[:, 1] = on & turn, on & ~turn
    large_codes[:, 2] = rng.random(1000) < 0.3
    small = [[1.0, 0, 0], [0, 0, 1.0]]
    large = [[0.9, 0.3, 0], [0.9, -0.1, 0], [1.0, 0, 0], [1.0, 0, 0]]
    found = feature_splitting(small, large, codes, large_codes)
    assert found.parts[0].tolist() == [1, 0]
    assert found.n_parts.tolist() == [2, 0]
    assert feature_splitting(small, small, codes, codes).n_parts.tolist() == [1, 1]


def test_bad_input():
    with pytest.raises(ValueError, match="with the same width"):
        nearest_features(np.eye(3), np.eye(4))
    with pytest.raises(ValueError, match="n_neighbors=0"):
        nearest_features(np.eye(3), n_neighbors=0)
    with pytest.raises(ValueError, match="2 columns but the dictionary has 3"):
        feature_splitting(np.eye(3), np.eye(3), np.ones((4, 2)), np.ones((4, 3)))
    with pytest.raises(ValueError, match="codes of the same rows"):
        feature_splitting(np.eye(3), np.eye(3), np.ones((4, 3)), np.ones((5, 3)))
