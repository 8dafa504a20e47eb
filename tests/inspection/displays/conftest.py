"""Rows and a path for displays to draw; figures are closed after each test."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skdict import Activations, sparse_dictionary_path
from skdict.datasets import make_sparse_features
from tests.inspection.displays.drawn import TOKENS


@pytest.fixture(scope="session")
def acts():
    X = make_sparse_features(
        600, n_features=8, n_components=16, n_active=2, random_state=0
    ).X.astype(np.float32)
    return Activations(
        X,
        documents=np.repeat(np.arange(60), 10),
        positions=np.tile(np.arange(10), 60),
        token_ids=np.random.default_rng(0).integers(0, len(TOKENS), 600),
        vocabulary=TOKENS,
    )


@pytest.fixture(scope="session")
def path(acts):
    return sparse_dictionary_path(
        acts, [0.05, 0.2, 0.4], n_components=16, max_iter=2, random_state=0
    )


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    plt.close("all")
