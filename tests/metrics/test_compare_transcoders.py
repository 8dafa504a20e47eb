"""Transcoders are compared by the FVU of their targets, at equal numbers of codes."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV

from skdict import Activations, SparseTranscoder, compare_dictionaries
from skdict.decomposition import is_transcoder
from skdict.metrics import DictionaryScorer, fvu, l0
from tests.decomposition.made_transcoder import codes_and_skip, make_transcoder
from tests.decomposition.planted_transcoder import plant

OPTIONS = {"max_iter": 2, "random_state": 0, "device": "cpu", "alpha": 0.05}
pytestmark = pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning")


@pytest.fixture(scope="module")
def rows():
    planted = plant(600, 12, 6, 4, 3)
    return planted.X[:400], planted.Y[:400], planted.X[400:], planted.Y[400:]


@pytest.fixture(scope="module")
def fitted(rows):
    X, y, *_ = rows
    skip = SparseTranscoder(16, skip_connection=True, **OPTIONS).fit(X, y)
    return {"plain": SparseTranscoder(16, **OPTIONS).fit(X, y), "skip": skip}


class Foreign(BaseEstimator):
    """A fitted transcoder of another library."""

    def __init__(self, inner):
        self.inner = inner

    @property
    def components_(self):
        return self.inner.components_

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y):
        raise AssertionError("it is fitted")

    def transform(self, X):
        return self.inner.transform(X).toarray()

    def inverse_transform(self, codes):
        return self.inner.inverse_transform(codes)

    def predict(self, X):
        return self.inner.predict(X)


def test_measures_agree_with_the_functions(rows, fitted):
    *_, X, y = rows
    methods = fitted | {"foreign": Foreign(fitted["skip"])}
    table = compare_dictionaries(methods, None, X, y_test=y)
    for name, transcoder in methods.items():
        codes, record = transcoder.transform(X), table[name]
        assert record["fvu"] == pytest.approx(fvu(y, transcoder.predict(X)), abs=1e-6)
        assert record["l0"] == pytest.approx(l0(codes))
        assert record["n_components"] == 16
        assert record["fvu_inliers"] == record["fvu"]
    assert table["skip"]["fvu"] == pytest.approx(1 - fitted["skip"].score(X, y), abs=1e-6)
    assert table["foreign"]["fvu"] == pytest.approx(table["skip"]["fvu"], abs=1e-6)


@pytest.mark.parametrize("name", ["plain", "skip"])
def test_the_strongest_codes_by_the_slow_way(name, rows, fitted):
    (*_, X, y), transcoder = rows, fitted[name]
    methods = {"own": transcoder, "foreign": Foreign(transcoder)}
    table = compare_dictionaries(methods, None, X, y_test=y, n_active=[1, 2, 16])
    for k in (1, 2, 16):
        codes, skip = codes_and_skip(transcoder, X)
        lengths = np.linalg.norm(transcoder.components_, axis=1)
        kept = np.zeros_like(codes)
        for i, row in enumerate(codes):
            strongest = np.argsort(-np.abs(row) * lengths, kind="stable")[:k]
            kept[i, strongest] = row[strongest]
        # The skip connection is no code, and stays.
        predicted = transcoder.target_mean_ + kept @ transcoder.components_ + skip
        for method in methods:
            assert table[method, k]["fvu"] == pytest.approx(fvu(y, predicted), abs=1e-5)
            assert table[method, k]["l0"] == pytest.approx((kept != 0).sum() / len(X))


def test_unfitted_ones_are_fitted_on_rows_and_targets(rows, fitted):
    X, y, X_test, y_test = rows
    new = SparseTranscoder(16, **OPTIONS)
    table = compare_dictionaries(
        {"new": new, "old": fitted["plain"]}, X, X_test, y_train=y, y_test=y_test
    )
    assert not hasattr(new, "components_")
    assert {**table["new"], "dictionary": ""} == {**table["old"], "dictionary": ""}
    seeds = compare_dictionaries({"new": new}, X, X_test, y_train=y, y_test=y_test, n_seeds=2)
    each = [
        1 - SparseTranscoder(16, **(OPTIONS | {"random_state": s})).fit(X, y).score(X_test, y_test)
        for s in range(2)
    ]
    assert seeds["new"]["fvu"] == pytest.approx(np.mean(each), abs=1e-6)
    assert seeds["new"]["fvu_low"] < seeds["new"]["fvu"] < seeds["new"]["fvu_high"]


def test_a_row_is_an_outlier_if_it_or_its_target_is(rows):
    *_, X, y = rows
    X, y = X.copy(), y.copy()
    transcoder = make_transcoder(np.zeros((1, 6)), -np.ones(1), np.ones((1, 4)), y.mean(axis=0))
    X[3] *= 1e4
    y[7] *= 1e4
    record = compare_dictionaries({"a": transcoder}, None, X, y_test=y).records[0]
    inliers = np.delete(np.arange(len(X)), [3, 7])
    assert record["fvu_inliers"] == pytest.approx(
        fvu(y[inliers], transcoder.predict(X[inliers])), rel=1e-5
    )
    assert record["fvu"] == pytest.approx(fvu(y, transcoder.predict(X)), rel=1e-5)


def test_scorers_get_the_transcoder_and_its_rows(rows, fitted):
    *_, X, y = rows

    def n_rows(transcoder, X):
        assert is_transcoder(transcoder)
        return len(transcoder.predict(X))

    table = compare_dictionaries(fitted, None, X, y_test=y, scorers=[n_rows])
    assert table["skip"]["n_rows"] == 200
    with pytest.raises(ValueError, match="pass only one of scorers and n_active"):
        compare_dictionaries(fitted, None, X, y_test=y, scorers=[n_rows], n_active=2)


def test_a_search_weighs_fvu_and_l0_of_transcoders(rows):
    X, y, *_ = rows
    options = OPTIONS | {"activation": "topk", "target_l0": 1}
    search = GridSearchCV(
        SparseTranscoder(16, **options),
        {"target_l0": [1, 4]},
        cv=2,
        scoring=DictionaryScorer(),
        refit="score",
    ).fit(X, y)
    l0s = search.cv_results_["mean_test_l0"]
    assert l0s[0] <= 1 < l0s[1] <= 4
    transcoder = search.best_estimator_
    measures = DictionaryScorer()(transcoder, X, y)
    assert measures["score"] == pytest.approx(transcoder.score(X, y), abs=1e-6)
    # What is fitted without targets ignores those that a search passes on.
    pca = PCA(2).fit(X)
    assert DictionaryScorer()(pca, X, y) == DictionaryScorer()(pca, X)


def with_tokens(rows, **changes):
    n = len(rows)
    columns = {"documents": np.arange(n) // 10, "positions": np.arange(n) % 10}
    return Activations(rows, **columns | {"token_ids": np.arange(n) % 7} | changes)


def test_bad_input(rows, fitted):
    X, y, X_test, y_test = rows
    new, given = {"new": SparseTranscoder(16)}, {"y_train": y, "y_test": y_test}
    shifted = with_tokens(y_test, positions=np.arange(200) % 10 + 1)
    for methods, changes, message in (
        (fitted, {"y_test": None}, "SparseTranscoder predicts .* pass these rows as y_test"),
        (new, {"y_train": None}, "SparseTranscoder predicts .* pass these rows as y_train"),
        (new, {"train": None}, "'new' is not fitted and train is None"),
        ({"pca": PCA(2)}, {}, "y_test is given, but PCA reconstructs the rows that it encodes"),
        ({"pca": PCA(2)}, {"y_test": None}, "y_train is given, but PCA reconstructs"),
        (fitted, {"y_test": y_test[:9]}, "X has 200 rows but y has 9"),
        (fitted, {"y_test": y_test[:, :2]}, "y has 2 columns but SparseTranscoder predicts 4"),
        (fitted, {"y_test": np.ones_like(y_test)}, "test rows do not vary"),
        (fitted, {"y_test": np.full_like(y_test, np.nan)}, "Input y contains NaN"),
        (
            fitted,
            {"test": with_tokens(X_test), "y_test": shifted},
            "X and y differ in positions at 200 of 200 rows",
        ),
    ):
        arguments = {"train": X, "test": X_test} | given | changes
        with pytest.raises(ValueError, match=message):
            compare_dictionaries(methods, **arguments)
