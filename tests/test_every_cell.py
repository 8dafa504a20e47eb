"""Every dictionary in every use: a table without an empty cell.

Each cell states a fact that is computed in another way here. ``pytest -s`` shows the table.
"""

from functools import cache

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

from skdict import compare_dictionaries
from skdict.decomposition import to_torch
from skdict.metrics import DictionaryScorer
from tests.dictionaries import ALL, WIDTH, dense

# Each fact holds of a fit of any length.
pytestmark = pytest.mark.usefixtures("short_epochs")

FOLDS = KFold(2)
# One parameter of each and what to try; nothing can be set of the rows themselves.
GRIDS = {
    "sae": {"alpha": [0.3, 0.03]},
    "untied sae": {"alpha": [0.3, 0.03]},
    "dense sae": {"alpha": [0.3, 0.03]},
    "topk sae": {"target_l0": [2, 4]},
    "batch topk sae": {"activation": ["topk", "batch_topk"], "target_l0": [2, 4]},
    "jumprelu sae": {"target_l0": [2, 4]},
    "sae cv": {"n_components": [5, 10]},
    "identity": {},
    "random": {"n_components": [3, 9]},
    "top-k pca": {"k": [1, 3]},
    "top-k sae": {"dictionary__alpha": [0.3, 0.03]},
    "top-k random, gain": {"k": [1, 3]},
    "top-k ica, split": {"k": [1, 3]},
    "pca": {"n_components": [2, 4]},
    "whitened pca": {"n_components": [2, 4]},
    "incremental pca": {"n_components": [2, 4]},
    "ica": {"n_components": [2, 4]},
    "nmf": {"n_components": [2, 4]},
    "svd": {"n_components": [2, 4]},
    "dictionary learning": {"n_components": [4, 8]},
    "projection": {"n_components": [2, 4]},
    "scaler, sae": {"sparsedictionaryautoencoder__alpha": [0.3, 0.03]},
    "pca, sae": {"pca__n_components": [2, 5]},
    "scaler, pca, sae": {"sparsedictionaryautoencoder__alpha": [0.3, 0.03]},
    "pca, top-k": {"topkdictionary__k": [1, 3]},
    "scaler, pca": {"pca__n_components": [2, 4]},
    "pipeline of one": {"sparsedictionaryautoencoder__alpha": [0.3, 0.03]},
}


@cache
def rows():
    """Return plain rows to fit on and rows to measure on."""
    X = np.random.default_rng(0).random((300, WIDTH), dtype=np.float32)
    return X[:200], X[200:]


@cache
def fitted(name):
    return clone(ALL[name]).fit(rows()[0])


def plain_fvu(dictionary, X, codes=None):
    """Return the FVU by its formula, on all rows at once, in float64."""
    codes = dictionary.transform(X) if codes is None else codes
    X, rebuilt = X.astype(np.float64), np.asarray(dictionary.inverse_transform(codes))
    return np.square(X - rebuilt).sum() / np.square(X - X.mean(axis=0)).sum()


def cut_row_by_row(dictionary, codes, n_active):
    """Return codes of which each row keeps the strongest: a loop over rows."""
    n_components = codes.shape[1]
    unit = np.asarray(dictionary.inverse_transform(np.eye(n_components)), dtype=np.float64)
    zero = np.asarray(dictionary.inverse_transform(np.zeros((1, n_components))), dtype=np.float64)
    lengths = np.linalg.norm(unit - zero, axis=1)
    kept = np.zeros_like(codes)
    for old, new in zip(codes, kept, strict=True):
        for j in sorted(range(n_components), key=lambda j: -abs(old[j]) * lengths[j])[:n_active]:
            new[j] = old[j]
    return kept


def compared(name):
    """Unfitted, fitted and measured by the table: the FVU of the formula, whole and cut."""
    train, test = rows()
    record = compare_dictionaries({name: ALL[name]}, train, test)[name]
    dictionary = fitted(name)
    np.testing.assert_allclose(record["fvu"], plain_fvu(dictionary, test), rtol=1e-3, atol=1e-6)
    table = compare_dictionaries({name: dictionary}, None, test, n_active=[1, 3])
    codes = dense(dictionary.transform(test))
    for n_active in (1, 3):
        expected = plain_fvu(dictionary, test, cut_row_by_row(dictionary, codes, n_active))
        np.testing.assert_allclose(table[name, n_active]["fvu"], expected, rtol=1e-3, atol=1e-6)
    return f"FVU {record['fvu']:.3f}, {table[name, 1]['fvu']:.3f} with 1 code"


def as_tensors(name):
    """Tensors encode and decode as arrays do, to float32 rounding."""
    _, test = rows()
    dictionary = fitted(name)
    tensors = to_torch(dictionary, device="cpu")
    codes = tensors.encode(torch.from_numpy(test))
    expected = dense(dictionary.transform(test))
    np.testing.assert_allclose(codes.numpy(), expected, atol=2e-4)
    rebuilt = dictionary.inverse_transform(dictionary.transform(test))
    np.testing.assert_allclose(tensors.decode(codes).numpy(), rebuilt, atol=2e-4)
    return f"within {np.abs(codes.numpy() - expected).max():.0e}"


def scored(name):
    """Every measure of the scorer is what the codes say."""
    _, test = rows()
    measures = DictionaryScorer()(fitted(name), test)
    assert np.isfinite(list(measures.values())).all()
    fired = dense(fitted(name).transform(test)) != 0
    assert measures["score"] == 1 - measures["fvu"]
    np.testing.assert_allclose(measures["l0"], fired.sum(axis=1).mean())
    np.testing.assert_allclose(measures["density"], np.median(fired.mean(axis=0)))
    assert measures["n_dead"] == (~fired.any(axis=0)).sum()
    assert measures["n_components"] == fired.shape[1]
    return f"L0 {measures['l0']:.1f} of {measures['n_components']}"


def searched(name):
    """A search finds the candidate that a plain loop over folds finds."""
    train, _ = rows()
    search = GridSearchCV(
        ALL[name],
        GRIDS[name],
        cv=FOLDS,
        scoring=DictionaryScorer(),
        refit="score",
        error_score="raise",
    ).fit(train)
    candidates = search.cv_results_["params"]
    expected = [
        np.mean(
            [
                plain_fvu(clone(ALL[name]).set_params(**params).fit(train[fit]), train[held_out])
                for fit, held_out in FOLDS.split(train)
            ]
        )
        for params in candidates
    ]
    np.testing.assert_allclose(search.cv_results_["mean_test_fvu"], expected, rtol=1e-3, atol=1e-6)
    assert search.best_params_ == candidates[int(np.argmin(expected))]
    assert plain_fvu(search.best_estimator_, train) < 2
    return ", ".join(f"{k.split('__')[-1]}={v}" for k, v in search.best_params_.items()) or "-"


USES = {
    "compare_dictionaries": compared,
    "to_torch": as_tensors,
    "DictionaryScorer": scored,
    "GridSearchCV": searched,
}


@cache
def cell(name, use):
    return USES[use](name)


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("name", ALL)
def test_cell(name, use):
    assert cell(name, use)


def test_no_cell_is_empty():
    assert set(GRIDS) == set(ALL)
    assert [name for name, grid in GRIDS.items() if not grid] == ["identity"]
    table = [["", *USES], *([name, *(cell(name, use) for use in USES)] for name in ALL)]
    assert len(table) == 1 + len(ALL)
    assert all(fact for row in table[1:] for fact in row)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in table]
    print("\n" + "\n".join(line.rstrip() for line in lines))
