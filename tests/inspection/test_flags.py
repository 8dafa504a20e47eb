"""Flags mark what is dead, dense or along an outlier dimension."""

import numpy as np
import pytest

from skdict import Activations
from skdict.decomposition import IdentityDictionary
from skdict.inspection import FeatureStatistics, flag_features


def test_flags():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 6)).astype(np.float32)
    X[:, 2] *= 40
    X[:, 4] = 0
    X[:, 5] = np.where(rng.random(400) < 0.05, 1, -1)
    acts = Activations(
        X, documents=np.arange(400), positions=[0] * 400, token_ids=rng.integers(0, 9, 400)
    )
    neurons = IdentityDictionary().fit(acts)
    found = flag_features(neurons, acts, FeatureStatistics.from_estimator(neurons, acts))
    assert found.dimensions.tolist() == [2]
    assert found.outlier_dimension.tolist() == [False, False, True, False, False, False]
    assert found.dead.tolist() == [False, False, False, False, True, False]
    assert found.dense.tolist() == [True, True, True, True, False, False]


def test_bad_input():
    acts = Activations(np.eye(3), documents=[0, 0, 0], positions=[0, 1, 2], token_ids=[0, 1, 2])
    neurons = IdentityDictionary().fit(acts)
    statistics = FeatureStatistics.from_estimator(neurons, acts)
    with pytest.raises(ValueError, match="rows and statistics of this dictionary"):
        flag_features(neurons, np.eye(4), statistics)
    with pytest.raises(ValueError, match="share=0"):
        flag_features(neurons, acts, statistics, share=0)
