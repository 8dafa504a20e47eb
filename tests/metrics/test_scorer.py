"""One scorer and its rules, in every kind of search."""

import pickle

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.datasets import make_sparse_features
from skdict.decomposition import TopKDictionary
from skdict.metrics import DictionaryScorer, fvu, l0, selection_rule

ALPHAS = [0.05, 0.2, 0.5]


@pytest.fixture(scope="module")
def rows():
    return make_sparse_features(3000, n_features=16, n_components=32, n_active=2, random_state=0).X


def sae(**options):
    return SparseDictionaryAutoencoder(32, max_iter=2, random_state=0, **options)


class Counting(SparseDictionaryAutoencoder):
    """Counts how often it encodes."""

    rows_encoded = 0

    def transform(self, X):
        Counting.rows_encoded += len(X)
        return super().transform(X)


def test_measures_agree_with_the_functions_and_encode_once(rows):
    dictionary = Counting(32, max_iter=2, random_state=0).fit(rows)
    Counting.rows_encoded = 0
    measures = DictionaryScorer()(dictionary, rows)
    assert Counting.rows_encoded == len(rows)
    codes = dictionary.transform(rows)
    expected = fvu(rows, dictionary.inverse_transform(codes))
    assert measures["fvu"] == pytest.approx(expected, rel=1e-5)
    assert measures["score"] == pytest.approx(dictionary.score(rows), rel=1e-5)
    assert measures["l0"] == pytest.approx(l0(codes))
    assert DictionaryScorer(n_active=1)(dictionary, rows)["l0"] <= 1


@pytest.mark.parametrize("jobs", [1, 2])
def test_grid_search_over_alpha(rows, jobs):
    search = GridSearchCV(
        sae(),
        {"alpha": ALPHAS},
        cv=2,
        scoring=DictionaryScorer(),
        refit=selection_rule(max_fvu=0.25),
        error_score="raise",
        n_jobs=jobs,
    ).fit(rows)
    results = search.cv_results_
    assert results["mean_test_fvu"][search.best_index_] <= 0.25
    denser = np.array(results["mean_test_l0"]) > results["mean_test_l0"][search.best_index_]
    assert (np.array(results["mean_test_fvu"])[~denser] >= 0.25).sum() == (~denser).sum() - 1
    # Alpha trades one for the other, and 1 - FVU alone chooses the smallest.
    assert (np.diff(results["mean_test_l0"]) < 0).all()
    assert (np.diff(results["mean_test_fvu"]) > 0).all()
    assert np.argmax(results["mean_test_score"]) == 0


@pytest.mark.usefixtures("short_epochs")
def test_search_over_rows_by_document_and_over_texts():
    stories = load_stories()
    extractor = ActivationExtractor(stories.model, "resid_post.1", max_length=32)
    texts = stories.texts[:30]
    acts = extractor.fit_transform(texts)
    alphas = [0.05, 0.1, 0.2]
    options = {
        "scoring": DictionaryScorer(),
        "refit": selection_rule(target_l0=6),
        "error_score": "raise",
    }
    by_row = GridSearchCV(sae(), {"alpha": alphas}, cv=GroupKFold(3), **options)
    by_row.fit(acts, groups=acts.documents)
    pipeline = Pipeline([("acts", extractor), ("sae", sae())])
    by_text = GridSearchCV(pipeline, {"sae__alpha": alphas}, cv=3, **options).fit(texts)
    for search in (by_row, by_text):
        distance = np.abs(np.log(np.array(search.cv_results_["mean_test_l0"]) / 6))
        assert search.best_index_ == distance.argmin()
    np.testing.assert_allclose(
        by_text.cv_results_["mean_test_l0"], by_row.cv_results_["mean_test_l0"], rtol=0.3
    )


def test_any_dictionary_and_pipeline(rows):
    methods = {
        "pca": PCA(4),
        "top-k": TopKDictionary(PCA(), 3),
        "scaled": make_pipeline(StandardScaler(), PCA(5), sae()),
    }
    for method in methods.values():
        scores = cross_validate(method, rows, cv=2, scoring=DictionaryScorer(), error_score="raise")
        fitted = method.fit(rows[:1500])
        rebuilt = fitted.inverse_transform(fitted.transform(rows[1500:]))
        assert scores["test_fvu"][1] == pytest.approx(fvu(rows[1500:], rebuilt), rel=1e-3)


def test_steps_that_are_switched_off_change_nothing(rows):
    plain = make_pipeline(StandardScaler(), PCA(4)).fit(rows)
    switched = make_pipeline(StandardScaler(), "passthrough", PCA(4)).fit(rows)
    assert DictionaryScorer()(plain, rows) == DictionaryScorer()(switched, rows)


RESULTS = {
    "mean_test_fvu": np.array([0.05, 0.10, 0.30, 0.70, 1.0]),
    "mean_test_l0": np.array([40.0, 10.0, 5.0, 2.0, 0.0]),
}


def test_rules_by_hand():
    assert selection_rule(max_fvu=0.1)(RESULTS) == 1
    assert selection_rule(max_fvu=0.5)(RESULTS) == 2
    assert selection_rule(target_l0=22)(RESULTS) == 0
    assert selection_rule(target_l0=18)(RESULTS) == 1
    assert selection_rule(target_l0=0.001)(RESULTS) == 3
    assert selection_rule("knee")(RESULTS) == 1


# The best candidate is 0 with a mean of 0.10; each test gives the distances of its folds from it.
FOLDS = np.array([[0.10, 0.115, 0.13, 0.5], [0.10, 0.115, 0.13, 0.5], [0.10, 0.115, 0.13, 0.5]])


def folds_apart(*distances):
    """Return results whose best candidate has an FVU of 0.1 plus so much in each fold."""
    values = FOLDS.copy()
    values[:, 0] += distances
    splits = {f"split{i}_test_fvu": fold for i, fold in enumerate(values)}
    means = {"mean_test_fvu": values.mean(axis=0), "mean_test_l0": np.array([9.0, 7.0, 5.0, 2.0])}
    return splits | means


@pytest.mark.parametrize(
    ("noise", "chosen"),
    [
        (0.0, 0),
        # The standard deviation of (-a, 0, a) with divisor 2 is a, the error a / sqrt(3).
        (0.0149 * 3**0.5, 0),
        (0.0151 * 3**0.5, 1),
        (0.0299 * 3**0.5, 1),
        (0.0301 * 3**0.5, 2),
        (0.41 * 3**0.5, 3),
    ],
)
def test_one_standard_error_by_hand(noise, chosen):
    assert selection_rule("one_standard_error")(folds_apart(-noise, 0, noise)) == chosen


def test_one_standard_error_takes_the_sparsest_whatever_the_order():
    results = {name: values[::-1] for name, values in folds_apart(-0.1, 0, 0.1).items()}
    assert selection_rule("one_standard_error")(results) == 1
    results["mean_test_l0"] = np.array([2.0, 9.0, 5.0, 7.0])
    assert selection_rule("one_standard_error")(results) == 2


def test_one_standard_error_needs_two_folds():
    one = {k: v for k, v in folds_apart(0, 0, 0).items() if not k.startswith(("split1", "split2"))}
    with pytest.raises(ValueError, match=r"at least two folds, .* that of 1; search with cv=2"):
        selection_rule("one_standard_error")(one)


def test_one_standard_error_in_a_search(rows):
    search = GridSearchCV(
        sae(),
        {"alpha": [0.05, 0.0501, 0.5]},
        cv=2,
        scoring=DictionaryScorer(),
        refit=selection_rule("one_standard_error"),
        error_score="raise",
    ).fit(rows[:1000])
    # Two alphas next to each other differ by less than folds do.
    assert search.best_index_ == np.argmin(search.cv_results_["mean_test_l0"][:2])


@pytest.mark.parametrize(
    "rule",
    [
        selection_rule(max_fvu=0.4),
        selection_rule(target_l0=6),
        selection_rule("knee"),
        selection_rule("one_standard_error"),
    ],
)
def test_rules_are_pickled_and_say_what_they_are(rule):
    results = RESULTS | {f"split{i}_test_fvu": RESULTS["mean_test_fvu"] for i in range(2)}
    assert pickle.loads(pickle.dumps(rule))(results) == rule(results)
    assert repr(eval(repr(rule))) == repr(rule)


def test_rules_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"within max_fvu=0.01: the smallest FVU is 0.05"):
        selection_rule(max_fvu=0.01)(RESULTS)
    with pytest.raises(ValueError, match="scoring=DictionaryScorer"):
        selection_rule(target_l0=3)({"mean_test_score": [1]})
    with pytest.raises(ValueError, match="search more values of alpha or target_l0"):
        selection_rule("knee")({"mean_test_fvu": [0.1, 0.2], "mean_test_l0": [5.0, 3.0]})
    with pytest.raises(ValueError, match="a fit of the search failed"):
        selection_rule("knee")({"mean_test_fvu": [0.1, np.nan], "mean_test_l0": [5.0, np.nan]})
    with pytest.raises(ValueError, match="max_fvu=0"):
        selection_rule(max_fvu=0)
    with pytest.raises(TypeError, match="target_l0='10'"):
        selection_rule(target_l0="10")
    with pytest.raises(ValueError, match="criterion='elbow'.* pass one of 'knee'"):
        selection_rule("elbow")
    with pytest.raises(ValueError, match="got no parameter; pass exactly one of"):
        selection_rule()
    with pytest.raises(ValueError, match="got criterion and max_fvu; pass exactly one of"):
        selection_rule("knee", max_fvu=0.2)


def test_bad_input(rows):
    with pytest.raises(TypeError, match="KMeans has no components_"):
        DictionaryScorer()(KMeans(2, n_init=1).fit(rows), rows)
    with pytest.raises(ValueError, match="n_active=0"):
        DictionaryScorer(n_active=0)(PCA(2).fit(rows), rows)
    assert repr(DictionaryScorer(3)) == "DictionaryScorer(n_active=3)"
