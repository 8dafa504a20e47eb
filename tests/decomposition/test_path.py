"""A path is so many fits, on one reading of the rows."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

from skdict import Activations, SparseDictionaryAutoencoder, sparse_dictionary_path
from skdict._core import Stack
from skdict.datasets import make_sparse_features
from skdict.decomposition import SparseDictionaryPath, _path
from skdict.decomposition._alpha_grid import alpha_grid
from skdict.exceptions import DeadFeaturesWarning
from skdict.metrics import DictionaryScorer

ALPHAS = [0.05, 0.1, 0.4]
SMALL = {"n_components": 24, "max_iter": 2, "random_state": 3}


@pytest.fixture(scope="module")
def rows():
    return make_sparse_features(1500, n_features=16, n_components=24, n_active=2, random_state=0).X


def assert_equal_to_separate_fits(X, alphas, **options):
    path = sparse_dictionary_path(X, alphas, **options)
    for alpha, dictionary in zip(alphas, path, strict=True):
        alone = SparseDictionaryAutoencoder(alpha=alpha, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeadFeaturesWarning)
            alone.fit(X)
        assert dictionary.get_params() == alone.get_params()
        assert vars(dictionary).keys() == vars(alone).keys()
        for name, value in vars(alone).items():
            np.testing.assert_array_equal(getattr(dictionary, name), value, err_msg=name)
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tied_weights": False, "batch_size": 200},
        {"center": False, "rescale": False, "bias_init": "zeros", "sparse_output": False},
        {"precision": "bfloat16", "learning_rate": 1e-3},
        # Each dictionary has another number of features that start anew.
        {"dead_features": "resample", "debias": True, "n_components": 96, "max_iter": 4},
    ],
    ids=["default", "untied", "paper", "bfloat16", "resampled, debiased"],
)
def test_each_is_equal_to_the_bit_to_a_fit_of_its_own(rows, options):
    path = assert_equal_to_separate_fits(rows, ALPHAS, **SMALL | options)
    if "dead_features" in options:
        resampled = {dictionary.history_[-1]["n_resampled"] for dictionary in path}
        assert len(resampled) > 1, "all dictionaries drew as many random numbers"


def test_float64_and_named_columns(rows):
    frame = pd.DataFrame(rows.astype(np.float64), columns=[f"c{i}" for i in range(16)])
    assert_equal_to_separate_fits(frame, [0.2], **SMALL)


def test_where_active_codes_are_gone_through_alone():
    X = make_sparse_features(2048, n_features=32, n_components=64, n_active=3, random_state=0).X
    options = {"n_components": 256, "max_iter": 1, "batch_size": 512, "random_state": 0}
    assert_equal_to_separate_fits(X, [0.1, 0.5], **options)


class Counting(Activations):
    """Counts the rows that are read."""

    n_read = 0

    def __getitem__(self, key):
        Counting.n_read += len(range(*key.indices(len(self))))
        return super().__getitem__(key)


def count_reads(rows, fit):
    table = {"documents": np.zeros(len(rows), int), "token_ids": np.zeros(len(rows), int)}
    Counting.n_read = 0
    fit(Counting(rows, positions=np.arange(len(rows)), **table))
    return Counting.n_read


def test_rows_are_read_once_an_epoch_for_all(rows):
    # As many batches as an epoch has at least, so that it is one pass.
    options = {"batch_size": 15, "n_components": 16, "random_state": 0}
    reads = {
        max_iter: count_reads(
            rows, lambda X, n=max_iter: sparse_dictionary_path(X, ALPHAS, max_iter=n, **options)
        )
        for max_iter in (1, 3)
    }
    assert reads[3] - reads[1] == 2 * len(rows)
    one = SparseDictionaryAutoencoder(alpha=0.1, max_iter=3, **options)
    assert reads[3] == count_reads(rows, one.fit)


def test_a_path_is_a_list_and_a_table(rows):
    path = sparse_dictionary_path(rows[:1000], 3, **SMALL)
    assert isinstance(path, SparseDictionaryPath)
    np.testing.assert_array_equal(
        path.alphas, alpha_grid(rows[:1000], 3, center=True, rescale=True)
    )
    assert len(path) == 3 and path[-1] is list(path)[2] is path.dictionaries[2]
    assert path[1:].alphas.tolist() == path.alphas[1:].tolist()
    assert str(path.alphas[2]) in repr(path) and "(24, 16)" in repr(path)
    table = pd.DataFrame(path.measure(rows[1000:]))
    for row, dictionary in zip(table.to_dict("records"), path, strict=True):
        expected = DictionaryScorer()(dictionary, rows[1000:])
        assert row == {"alpha": dictionary.alpha} | {k: expected[k] for k in row if k != "alpha"}
    assert table["fvu"].is_monotonic_increasing and table["l0"].is_monotonic_decreasing
    again = pickle.loads(pickle.dumps(path))
    np.testing.assert_array_equal(again[1].components_, path[1].components_)


def test_without_a_seed_all_start_alike_and_other_paths_do_not(rows):
    options = SMALL | {"random_state": None, "learning_rate": 1e-8}
    one, other = (sparse_dictionary_path(rows, [0.1, 0.2], **options) for _ in range(2))
    np.testing.assert_allclose(one[0].components_, one[1].components_, atol=1e-4)
    assert np.abs(one[0].components_ - other[0].components_).max() > 0.1


def test_progress_is_shown_once(rows, capsys):
    sparse_dictionary_path(rows, ALPHAS, **SMALL, verbose=1)
    shown = capsys.readouterr().err
    assert "loss" in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    ("alphas", "error", "words"),
    [
        ([], ValueError, "at least one alpha"),
        (0, ValueError, "alphas=0"),
        (2.5, TypeError, "a whole number"),
        (True, TypeError, "alphas=True"),
        ("0.1", ValueError, "pass a list"),
        (["0.1"], TypeError, "pass numbers"),
        ([[0.1, 0.2]], ValueError, r"shape \(1, 2\)"),
        ([0.2, 0.1], ValueError, r"pass np.unique\(alphas\)"),
        ([0.1, 0.1], ValueError, r"pass np.unique\(alphas\)"),
        ([-0.1, 0.1], ValueError, r"holds \[-0.1\]; pass finite numbers >= 0"),
        ([0.1, np.nan], ValueError, r"holds \[nan\]"),
        ([0.1, np.inf], ValueError, r"holds \[inf\]"),
    ],
)
def test_bad_alphas(rows, alphas, error, words):
    with pytest.raises(error, match=words):
        sparse_dictionary_path(rows, alphas)


def test_bad_rows_and_parameters(rows):
    with pytest.raises(ValueError, match="NaN: first at row 7, column 2"):
        broken = rows.copy()
        broken[7, 2] = np.nan
        sparse_dictionary_path(broken, ALPHAS)
    with pytest.raises(ValueError, match="all 5 rows of X are equal"):
        sparse_dictionary_path(np.ones((5, 3)), ALPHAS)
    with pytest.raises(ValueError, match="n_components=0"):
        sparse_dictionary_path(rows, ALPHAS, n_components=0)
    with pytest.raises(ValueError, match="training diverged"):
        sparse_dictionary_path(rows, ALPHAS, **SMALL, learning_rate=1e30)
    with pytest.raises(ValueError, match="16 features"):
        sparse_dictionary_path(rows, [0.1], **SMALL).measure(rows[:, :4])
    # What has no meaning for several dictionaries at once is not offered.
    with pytest.raises(TypeError, match="tol"):
        sparse_dictionary_path(rows, ALPHAS, tol=0.1)


def test_stacked_as_on_a_gpu_it_ends_where_separate_steps_do(rows, monkeypatch):
    settings = SMALL
    alone = sparse_dictionary_path(rows, [0.1, 0.3], **settings)
    monkeypatch.setattr(_path, "_stack", lambda runs: Stack([run.trainer for run in runs]))
    together = sparse_dictionary_path(rows, [0.1, 0.3], **settings)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.components_, other.components_, atol=2e-3)
        assert one.n_steps_ == other.n_steps_
        losses = ([entry["loss"] for entry in sae.history_] for sae in (one, other))
        np.testing.assert_allclose(*losses, rtol=1e-3)
