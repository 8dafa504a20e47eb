"""A path is several fits on a single reading of the rows."""

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
from tests.signed_topk import SignedTopK

ALPHAS = [0.05, 0.1, 0.4]
SMALL = {"n_components": 24, "max_iter": 2, "random_state": 3}


@pytest.fixture(scope="module")
def rows():
    return make_sparse_features(1500, n_features=16, n_components=24, n_active=2, random_state=0).X


def fit_alone(X, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeadFeaturesWarning)
        return SparseDictionaryAutoencoder(**options).fit(X)


def assert_equal_to_separate_fits(X, alphas=None, target_l0s=None, **options):
    path = sparse_dictionary_path(X, alphas, target_l0s=target_l0s, **options)
    name = "alpha" if target_l0s is None else "target_l0"
    values = alphas if target_l0s is None else target_l0s
    for value, dictionary in zip(values, path, strict=True):
        alone = fit_alone(X, **options, **{name: value})
        assert dictionary.get_params(deep=False) == alone.get_params(deep=False)
        assert vars(dictionary).keys() == vars(alone).keys()
        for attribute, expected in vars(alone).items():
            np.testing.assert_array_equal(
                getattr(dictionary, attribute), expected, err_msg=attribute
            )
    return path


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tied_weights": False, "batch_size": 200},
        {"center": False, "rescale": False, "bias_init": "zeros", "sparse_output": False},
        {"precision": "bfloat16", "learning_rate": 1e-3},
        {"matryoshka": [1 / 8, 1 / 2]},
        # Each dictionary has another number of features that start anew.
        {"dead_features": "resample", "debias": True, "n_components": 96, "max_iter": 4},
    ],
    ids=["default", "untied", "paper", "bfloat16", "matryoshka", "resampled, debiased"],
)
def test_each_is_equal_to_the_bit_to_a_fit_of_its_own(rows, options):
    path = assert_equal_to_separate_fits(rows, ALPHAS, **SMALL | options)
    if "dead_features" in options:
        resampled = {dictionary.history_[-1]["n_resampled"] for dictionary in path}
        assert len(resampled) > 1, "all dictionaries drew as many random numbers"


@pytest.mark.parametrize(
    ("targets", "options"),
    [
        ([4, 8.5], {}),
        ([1, 2, 4], {"activation": "topk"}),
        ([1, 2.5], {"activation": "batch_topk", "tied_weights": False}),
        ([1, 2.5], {"activation": "batch_topk", "matryoshka": (3, 12)}),
        ([2, 4], {"activation": "batch_topk", "dead_features": "resample", "n_components": 96}),
    ],
    ids=[
        "relu",
        "topk",
        "batch_topk, untied",
        "batch_topk, matryoshka",
        "batch_topk, resampled",
    ],
)
@pytest.mark.filterwarnings("ignore:target_l0:sklearn.exceptions.ConvergenceWarning")
def test_each_of_a_path_over_targets_is_equal_to_the_bit_to_a_fit_of_its_own(
    rows, targets, options
):
    path = assert_equal_to_separate_fits(rows, target_l0s=targets, **SMALL | options)
    np.testing.assert_array_equal(path.target_l0s, targets)
    if "activation" in options:
        assert path.alphas.tolist() == [0] * len(targets)
    else:
        # Alpha was steered to each of them.
        assert path.alphas[0] > path.alphas[1] and 0.1 not in path.alphas


def test_all_start_from_a_given_dictionary(rows):
    given = fit_alone(rows, **SMALL)
    options = SMALL | {"activation": "batch_topk", "dict_init": given}
    path = assert_equal_to_separate_fits(rows, target_l0s=[1, 3], **options)
    untrained = sparse_dictionary_path(
        rows, target_l0s=[1, 3], **options | {"learning_rate": 1e-9, "max_iter": 1}
    )
    for trained, start in zip(path, untrained, strict=True):
        np.testing.assert_allclose(start.components_, given.components_, atol=1e-5)
        assert np.abs(trained.components_ - given.components_).max() > 0.01


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
    assert path.target_l0s is None
    again = pickle.loads(pickle.dumps(path))
    np.testing.assert_array_equal(again[1].components_, path[1].components_)


def test_a_path_over_targets_is_a_list_and_a_table(rows):
    options = SMALL | {"max_iter": 5}
    path = sparse_dictionary_path(
        rows[:1000], target_l0s=[2, 4, 8], activation="batch_topk", **options
    )
    assert path[1:].target_l0s.tolist() == [4, 8]
    assert repr(path) == "SparseDictionaryPath(target_l0s=[2, 4, 8], components_ of shape (24, 16))"
    table = path.measure(rows[1000:])
    assert list(table)[:2] == ["alpha", "target_l0"]
    assert table["target_l0"].tolist() == [2, 4, 8] and table["alpha"].tolist() == [0, 0, 0]
    np.testing.assert_allclose(table["l0"], [2, 4, 8], rtol=0.1)
    assert (np.diff(table["fvu"]) < 0).all()


def test_eight_alphas_are_spanned_by_default(rows):
    path = sparse_dictionary_path(rows[:500], **SMALL | {"max_iter": 1})
    np.testing.assert_array_equal(path.alphas, alpha_grid(rows[:500], 8, center=True, rescale=True))


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
        ([], ValueError, "at least one number, .* or the number of alphas"),
        (0, ValueError, "alphas=0"),
        (2.5, TypeError, "an integer"),
        (True, TypeError, "alphas=True"),
        ("0.1", ValueError, "pass a list"),
        (["0.1"], TypeError, "pass numbers"),
        ([[0.1, 0.2]], ValueError, r"shape \(1, 2\)"),
        ([0.2, 0.1], ValueError, r"pass np.unique\(alphas\)"),
        ([0.1, 0.1], ValueError, r"pass np.unique\(alphas\)"),
        ([-0.1, 0.1], ValueError, r"contains \[-0.1\]; pass finite numbers >= 0"),
        ([0.1, np.nan], ValueError, r"contains \[nan\]"),
        ([0.1, np.inf], ValueError, r"contains \[inf\]"),
    ],
)
def test_bad_alphas(rows, alphas, error, words):
    with pytest.raises(error, match=words):
        sparse_dictionary_path(rows, alphas)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"alphas": [0.1], "target_l0s": [4]}, ValueError, "both given; pass only one"),
        ({"activation": "topk"}, ValueError, r"no penalty.* pass target_l0s=\[16, 32, 64\]"),
        ({"activation": "batch_topk", "alphas": [0.1]}, ValueError, "no penalty, so alphas"),
        ({"activation": "top"}, ValueError, "activation='top'"),
        ({"target_l0s": 32}, ValueError, r"shape \(\); pass a list"),
        ({"target_l0s": []}, ValueError, "at least one number"),
        ({"target_l0s": ["8"]}, TypeError, "pass numbers"),
        ({"target_l0s": [0, 4]}, ValueError, r"contains \[0\]; pass finite numbers > 0"),
        ({"target_l0s": [4, np.inf]}, ValueError, r"contains \[inf\]"),
        ({"target_l0s": [8, 4]}, ValueError, r"pass np.unique\(target_l0s\)"),
        ({"target_l0s": [4, 65]}, ValueError, "target_l0=65 is more than the 64 features"),
        ({"target_l0s": [2, 4.5], "activation": "topk"}, TypeError, "whole numbers"),
        ({"activation": SignedTopK(3), "target_l0s": [4]}, ValueError, "sets its own sparsity"),
        ({"activation": SignedTopK(3)}, ValueError, "sets its own sparsity"),
        ({"matryoshka": [4, 2]}, ValueError, "does not increase"),
        ({"matryoshka": [4, 64]}, ValueError, "a prefix of 64 of 64 features"),
    ],
)
def test_bad_targets_and_activations(rows, options, error, words):
    with pytest.raises(error, match=words):
        sparse_dictionary_path(rows, **options)


def test_bad_rows_and_parameters(rows):
    with pytest.raises(ValueError, match="NaN: first at row 7, column 2"):
        broken = rows.copy()
        broken[7, 2] = np.nan
        sparse_dictionary_path(broken, ALPHAS)
    with pytest.raises(ValueError, match="all 5 rows of X are equal"):
        sparse_dictionary_path(np.ones((5, 3)), ALPHAS)
    with pytest.raises(ValueError, match="n_components=0"):
        sparse_dictionary_path(rows, ALPHAS, n_components=0)
    with pytest.raises(ValueError, match="16 features"):
        sparse_dictionary_path(rows, [0.1], **SMALL).measure(rows[:, :4])
    # What has no meaning for several dictionaries at once is not offered.
    with pytest.raises(TypeError, match="tol"):
        sparse_dictionary_path(rows, ALPHAS, tol=0.1)


def test_a_path_that_diverges_says_so(rows, monkeypatch):
    # The highest rate that is accepted does not diverge here.
    monkeypatch.setattr("skdict.decomposition._autoencoder_params.HIGHEST_LEARNING_RATE", 1e31)
    with pytest.raises(ValueError, match="training diverged"):
        sparse_dictionary_path(rows, ALPHAS, **SMALL, learning_rate=1e30)


@pytest.mark.parametrize(
    "options",
    [
        {"alphas": [0.1, 0.3]},
        {"target_l0s": [2, 4], "activation": "topk"},
        {"target_l0s": [2, 4], "activation": "batch_topk"},
        {"target_l0s": [2, 4], "activation": "topk", "matryoshka": [3, 12]},
    ],
    ids=["relu", "topk", "batch_topk", "topk, matryoshka"],
)
def test_stacked_as_on_a_gpu_it_ends_where_separate_steps_do(rows, monkeypatch, options):
    alone = sparse_dictionary_path(rows, **options, **SMALL)
    monkeypatch.setattr(_path, "_stack", lambda runs: Stack([run.trainer for run in runs]))
    together = sparse_dictionary_path(rows, **options, **SMALL)
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one.components_, other.components_, atol=2e-3)
        assert one.n_steps_ == other.n_steps_
        losses = ([entry["loss"] for entry in sae.history_] for sae in (one, other))
        np.testing.assert_allclose(*losses, rtol=1e-3)
