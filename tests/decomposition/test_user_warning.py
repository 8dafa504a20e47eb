"""Warnings point at the line of the user, however many calls lie between."""

import linecache
import warnings

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

from skdict import SparseDictionaryAutoencoder, SparseDictionaryAutoencoderCV
from skdict import sparse_dictionary_path as path
from skdict.io import fit_resumable

X = np.random.default_rng(0).standard_normal((400, 4))
X[7] *= 1000
OPTIONS = {"max_iter": 1, "random_state": 0, "device": "cpu"}


def fit(folder):
    SparseDictionaryAutoencoder(8, target_l0=7, alpha=3.0, tol=1e-9, **OPTIONS).fit(X)  # here


def fit_block(folder):
    SparseDictionaryAutoencoder(8, random_state=0).partial_fit(X)  # here


def fit_with_checkpoint(folder):
    fit_resumable(SparseDictionaryAutoencoder(8, **OPTIONS), X, folder / "sae")  # here


def fit_path(folder):
    path(X, [0.1, 0.2], n_components=8, **OPTIONS)  # here


def search(folder):
    GridSearchCV(SparseDictionaryAutoencoder(8, **OPTIONS), {"alpha": [0.1]}, cv=2).fit(X)  # here


def choose(folder):
    SparseDictionaryAutoencoderCV(3, n_components=8, cv=2, **OPTIONS).fit(X)  # here


@pytest.mark.parametrize("work", [fit, fit_block, fit_with_checkpoint, fit_path, search, choose])
def test_warnings_point_at_the_call(work, tmp_path):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        work(tmp_path)
    lines = [linecache.getline(w.filename, w.lineno) for w in told]
    assert lines
    assert all(line.endswith("# here\n") for line in lines), lines
