"""Prefixes of a nested dictionary are dictionaries, and the first holds what is general."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold

from skdict import SparseDictionaryAutoencoder, SparseDictionaryAutoencoderCV
from skdict._core._backends import Compiled, Dense, Portable
from skdict.datasets import make_sparse_features
from skdict.metrics import DictionaryScorer, feature_recovery, fvu, selection_rule

# Sixteen parents of three children each, and nothing else.
DATA = make_sparse_features(
    26_000,
    n_features=48,
    n_components=64,
    n_active=3,
    decay=1.0,
    n_parents=16,
    children_per_parent=3,
    child_probability=0.2,
    random_state=0,
)
ROWS, OTHERS = DATA.X[:24_000], DATA.X[24_000:]
FEW = ROWS[:2000]
QUICK = {"max_iter": 1, "batch_size": 64}
PARENTS = DATA.components[:16]
PREFIXES = [16, 32]
KINDS = {
    "relu": {"alpha": 0.1},
    "topk": {"activation": "topk", "target_l0": 4},
    "batch_topk": {"activation": "batch_topk", "target_l0": 3},
}


def new(kind="batch_topk", n_components=64, **params):
    settings = {"max_iter": 4, "random_state": 0, "learning_rate": 1e-2} | KINDS[kind] | params
    return SparseDictionaryAutoencoder(n_components, **settings)


@pytest.fixture(scope="module")
def nested():
    return {kind: new(kind, matryoshka=PREFIXES).fit(ROWS) for kind in KINDS}


@pytest.fixture(scope="module")
def plain():
    return {kind: new(kind).fit(ROWS) for kind in KINDS}


def prefix_codes(sae, size):
    codes = sae.transform(OTHERS).toarray()
    codes[:, size:] = 0
    return codes


def prefix_fvu(sae, size):
    return fvu(OTHERS, sae.inverse_transform(prefix_codes(sae, size)))


@pytest.mark.parametrize("kind", KINDS)
def test_parents_are_in_the_first_level(nested, plain, kind):
    found, found_without = (
        feature_recovery(sae.components_[: PREFIXES[0]], PARENTS)
        for sae in (nested[kind], plain[kind])
    )
    assert found > 0.75
    assert found_without < 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_prefix_is_better_than_that_of_a_plain_dictionary(nested, plain, kind):
    for size in PREFIXES:
        assert prefix_fvu(nested[kind], size) < 0.65 * prefix_fvu(plain[kind], size)


@pytest.mark.parametrize("size", PREFIXES)
def test_a_prefix_is_nearly_as_good_as_a_dictionary_of_its_size(nested, size):
    sae = nested["batch_topk"]
    l0 = np.count_nonzero(prefix_codes(sae, size)) / len(OTHERS)
    alone = new(n_components=size, target_l0=l0).fit(ROWS)
    assert prefix_fvu(sae, size) < 1.15 * (1 - alone.score(OTHERS))


def test_the_history_is_that_of_the_full_dictionary(nested):
    for sae in nested.values():
        assert sae.history_[-1]["fvu"] == pytest.approx(1 - sae.score(ROWS), rel=0.05)
        assert prefix_fvu(sae, PREFIXES[-1]) > 1.5 * sae.history_[-1]["fvu"]


def test_without_prefixes_the_plain_step_is_taken(monkeypatch):
    def refuse(*args):
        raise AssertionError("a step with levels was taken")

    for backend in (Dense, Portable, Compiled):
        monkeypatch.setattr(backend, "rebuild_nested", refuse)
    new(**QUICK, matryoshka=None).fit(FEW)
    with pytest.raises(AssertionError, match="with levels"):
        new(**QUICK, matryoshka=PREFIXES).fit(FEW)


@pytest.mark.parametrize(
    "given", [(16, 32), np.array([16, 32]), [0.25, 0.5], np.array([0.25, 0.5])]
)
def test_sizes_and_fractions_mean_the_same(given):
    expected = new(**QUICK, matryoshka=PREFIXES).fit(FEW)
    sae = clone(new(**QUICK, matryoshka=given)).fit(FEW)
    assert list(sae.matryoshka) == list(given)
    np.testing.assert_array_equal(sae.components_, expected.components_)


@pytest.mark.parametrize("tied", [False, True])
def test_blocks_train_the_levels(tied):
    one, other = (
        new(learning_rate=3e-3, tied_weights=tied, matryoshka=given) for given in (PREFIXES, None)
    )
    for _ in range(5):
        for block in np.split(ROWS, 2):
            one.partial_fit(block)
            other.partial_fit(block)
    assert prefix_fvu(one, 16) < 0.75 * prefix_fvu(other, 16)


def test_a_warm_start_nests_a_plain_dictionary():
    sae = new(max_iter=2).fit(ROWS)
    before = prefix_fvu(sae, 16)
    sae.set_params(warm_start=True, matryoshka=PREFIXES).fit(ROWS)
    assert prefix_fvu(sae, 16) < 0.75 * before


def test_a_grid_search_over_prefixes():
    candidates = [None, [16], [0.25], [1 / 8, 1 / 2]]
    search = GridSearchCV(
        new(**QUICK),
        {"matryoshka": candidates},
        cv=KFold(2),
        scoring=DictionaryScorer(),
        refit="score",
    ).fit(FEW)
    scores = search.cv_results_["mean_test_score"]
    assert scores[1] == scores[2] and len(np.unique(scores)) == 3
    assert search.best_params_ == {"matryoshka": candidates[int(np.argmax(scores))]}


def test_a_selected_dictionary_is_nested():
    options = QUICK | {"random_state": 0, "matryoshka": PREFIXES, "n_components": 64}
    search = SparseDictionaryAutoencoderCV(
        target_l0s=[2, 4],
        activation="batch_topk",
        cv=2,
        selection=selection_rule(target_l0=4),
        **options,
    ).fit(FEW)
    alone = SparseDictionaryAutoencoder(activation="batch_topk", target_l0=4, **options).fit(FEW)
    np.testing.assert_array_equal(search.components_, alone.components_)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ([], ValueError, "contains no prefix; pass .* matryoshka=None"),
        (16, TypeError, "pass a list of increasing prefix sizes"),
        ("16", TypeError, "pass a list"),
        ({16, 32}, TypeError, "pass a list"),
        (["16"], TypeError, "pass a list"),
        ([True], TypeError, "pass a list"),
        (np.array([[8, 16]]), TypeError, "pass a list"),
        ([8, 0.5], ValueError, "mixes whole numbers and fractions"),
        ([0, 8], ValueError, r"contains \[0\]; pass sizes of at least 1"),
        ([-8], ValueError, r"contains \[-8\]"),
        ([0.5, 1.0], ValueError, r"contains \[1.0\]; pass fractions strictly between 0 and 1"),
        ([0.0, 0.5], ValueError, r"contains \[0.0\]"),
        ([np.nan], ValueError, r"contains \[nan\]"),
        ([16, 8], ValueError, "does not increase"),
        ([8, 8], ValueError, "does not increase"),
        ([0.5, 0.25], ValueError, "does not increase"),
        ([16, 64], ValueError, "a prefix of 64 of 64 features; pass sizes below n_components"),
        ([0.5, 0.999], ValueError, "a prefix of 64 of 64 features"),
        ([0.001, 0.5], ValueError, r"rounds to prefixes of \[0, 32\]"),
        ([0.25, 0.251], ValueError, r"rounds to prefixes of \[16, 16\]"),
    ],
)
def test_what_is_refused_before_rows_are_looked_at(given, error, message):
    with pytest.raises(error, match=message):
        new(matryoshka=given).fit("no rows")


@pytest.mark.parametrize("start", [None, DATA.components])
def test_what_depends_on_the_rows_is_refused_before_training(start):
    n_components = 4 * 48 if start is None else 64
    sae = new(n_components=None, dict_init=start, matryoshka=[n_components])
    for fit in (sae.fit, sae.partial_fit):
        with pytest.raises(ValueError, match=f"a prefix of {n_components} of {n_components}"):
            fit(ROWS[:300])
    assert not hasattr(sae, "components_")
