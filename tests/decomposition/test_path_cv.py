"""Alpha chosen on held-out rows: as a search would, and by document."""

import numpy as np
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skdict import (
    ActivationExtractor,
    SparseDictionaryAutoencoder,
    SparseDictionaryAutoencoderCV,
    compare_dictionaries,
    load_stories,
    sparse_dictionary_path,
)
from skdict.datasets import make_sparse_features
from skdict.decomposition import TopKDictionary, check_is_dictionary, to_torch
from skdict.exceptions import DeadFeaturesWarning
from skdict.metrics import (
    DictionaryScorer,
    fvu,
    knee,
    nearest_l0,
    one_standard_error,
    sparsest_within,
)

ALPHAS = [0.05, 0.1, 0.4]
SMALL = {"n_components": 24, "max_iter": 1, "random_state": 0}


@pytest.fixture(scope="module")
def rows():
    return make_sparse_features(1200, n_features=16, n_components=24, n_active=2, random_state=0).X


@pytest.fixture(scope="module")
def groups(rows):
    return np.random.default_rng(0).integers(0, 6, len(rows))


def cv(alphas=ALPHAS, **options):
    return SparseDictionaryAutoencoderCV(alphas, **({"cv": 2} | SMALL | options))


@pytest.fixture(scope="module")
def fitted(rows):
    return cv().fit(rows)


def grid(rule, splitter):
    return GridSearchCV(
        SparseDictionaryAutoencoder(**SMALL),
        {"alpha": ALPHAS},
        cv=splitter,
        scoring=DictionaryScorer(),
        refit=rule,
        error_score="raise",
    )


def test_it_chooses_as_a_grid_search_with_equal_measures(rows):
    splitter, rule = KFold(2, shuffle=True, random_state=0), sparsest_within(max_fvu=0.3)
    search = grid(rule, splitter).fit(rows)
    mine = cv(cv=splitter, selection=rule).fit(rows)
    theirs = {k: v for k, v in search.cv_results_.items() if not k.endswith("_time")}
    assert mine.cv_results_.keys() == theirs.keys()
    assert mine.cv_results_["params"] == theirs.pop("params")
    for name, values in theirs.items():
        np.testing.assert_allclose(mine.cv_results_[name], values, rtol=1e-6, err_msg=name)
    assert mine.n_splits_ == search.n_splits_
    assert mine.best_index_ == search.best_index_
    for other in (nearest_l0(6), knee(), one_standard_error()):
        assert other(mine.cv_results_) == other(search.cv_results_)
    best = search.best_estimator_
    np.testing.assert_array_equal(mine.dictionary_.components_, best.components_)
    np.testing.assert_array_equal(mine.transform(rows).toarray(), best.transform(rows).toarray())


def test_folds_are_paths_and_the_result_is_a_fit(rows, fitted):
    for i, (train, test) in enumerate(KFold(2).split(rows)):
        table = sparse_dictionary_path(rows[train], ALPHAS, **SMALL).measure(rows[test])
        for name in ("fvu", "l0", "n_dead", "density"):
            np.testing.assert_array_equal(fitted.cv_results_[f"split{i}_test_{name}"], table[name])
    assert fitted.best_index_ == knee()(fitted.cv_results_)
    assert fitted.alpha_ == ALPHAS[fitted.best_index_]
    assert fitted.dictionary_ is fitted.path_[fitted.best_index_]
    alone = SparseDictionaryAutoencoder(alpha=fitted.alpha_, **SMALL).fit(rows)
    np.testing.assert_array_equal(fitted.components_, alone.components_)
    assert fitted.score(rows) == alone.score(rows)


def test_it_is_a_dictionary(rows, fitted):
    assert check_is_dictionary(fitted) is fitted
    codes = fitted.transform(rows)
    np.testing.assert_array_equal(
        fitted.inverse_transform(codes), fitted.dictionary_.inverse_transform(codes)
    )
    encoded = to_torch(fitted, device="cpu").encode(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(encoded, codes.toarray(), atol=1e-4)
    methods = {"cv": fitted, "itself": fitted.dictionary_, "unfitted": clone(fitted)}
    table = compare_dictionaries(methods, rows, rows, n_active=3)
    measures = [{k: v for k, v in table[m].items() if k != "dictionary"} for m in methods]
    assert measures[0] == measures[1] == measures[2]
    cut = TopKDictionary(fitted, 2).fit(rows).transform(rows)
    assert np.diff(cut.indptr).max() == 2


def test_every_fitted_attribute_is_documented(fitted):
    for attribute in (name for name in vars(fitted) if name.endswith("_")):
        assert f"    {attribute} :" in type(fitted).__doc__, attribute


def test_folds_in_processes_of_their_own(rows, fitted):
    parallel = cv(n_jobs=2).fit(rows)
    assert parallel.best_index_ == fitted.best_index_
    for name in ("mean_test_fvu", "std_test_l0"):
        np.testing.assert_allclose(
            parallel.cv_results_[name], fitted.cv_results_[name], rtol=1e-2, err_msg=name
        )


def test_whole_groups_are_held_out(rows, groups):
    by_splitter = cv(cv=GroupKFold(2), refit=False).fit(rows, groups=groups)
    by_number = cv(refit=False).fit(rows, groups=groups)
    search = grid(knee(), GroupKFold(2)).fit(rows, groups=groups)
    for other in (search, by_number):
        assert by_splitter.best_index_ == other.best_index_
        np.testing.assert_allclose(
            by_splitter.cv_results_["split1_test_fvu"], other.cv_results_["split1_test_fvu"]
        )
    with pytest.raises(ValueError, match="6 groups .* too few for 7 folds; pass .* a smaller cv"):
        cv(cv=7).fit(rows, groups=groups)


def test_groups_pass_through_a_pipeline(rows, groups):
    expected = cv(refit=False).fit(StandardScaler().fit_transform(rows), groups=groups)
    pipeline = make_pipeline(StandardScaler(), cv())
    pipeline.fit(rows, sparsedictionaryautoencodercv__groups=groups)
    with sklearn.config_context(enable_metadata_routing=True):
        choice = cv(refit=False).set_fit_request(groups=True)
        routed = make_pipeline(StandardScaler(), choice).fit(rows, groups=groups)
    for fitted in (pipeline, routed):
        for name in ("split0_test_fvu", "split1_test_l0"):
            np.testing.assert_array_equal(fitted[-1].cv_results_[name], expected.cv_results_[name])
    rebuilt = pipeline.inverse_transform(pipeline.transform(rows))
    assert fvu(rows, rebuilt) == pytest.approx(DictionaryScorer()(pipeline, rows)["fvu"])


def test_activations_are_held_out_by_text_and_texts_go_in_a_pipeline():
    stories = load_stories()
    extractor = ActivationExtractor(stories.model, "resid_post.1", max_length=32)
    acts = extractor.fit_transform(stories.texts[:20])
    options = {"selection": nearest_l0(6), "n_components": 64}
    by_default = cv(**options).fit(acts)
    by_groups = cv(**options, cv=GroupKFold(2)).fit(acts, groups=acts.documents)
    pipeline = Pipeline([("acts", extractor), ("cv", cv(**options))]).fit(stories.texts[:20])
    for other in (by_groups, pipeline[-1]):
        np.testing.assert_array_equal(by_default.components_, other.components_)
        np.testing.assert_array_equal(
            by_default.cv_results_["split1_test_fvu"], other.cv_results_["split1_test_fvu"]
        )
    assert pipeline.transform(stories.texts[:1]).shape[1] == 64
    with pytest.raises(ValueError, match="20 groups .texts, for Activations., too few for 21"):
        cv(cv=21).fit(acts)


def test_the_choice_alone(rows, fitted):
    search = cv(refit=False).fit(rows)
    assert search.alpha_ == fitted.alpha_
    assert not hasattr(search, "path_") and not hasattr(search, "components_")
    with pytest.raises(AttributeError, match="refit=True"):
        search.transform(rows)
    refitted = clone(search).set_params(refit=True).fit(rows)
    # A dictionary of earlier rows does not outlive a fit without one.
    assert not hasattr(refitted.set_params(refit=False).fit(rows[:600]), "dictionary_")


def test_a_failed_fit_leaves_the_last_one(rows, fitted):
    search = cv(selection=sparsest_within(max_fvu=0.5)).fit(rows)
    before = search.transform(rows).toarray()
    search.selection = sparsest_within(max_fvu=1e-9)
    with pytest.raises(ValueError, match="no candidate is within"):
        search.fit(rows[:, :8])
    np.testing.assert_array_equal(search.transform(rows).toarray(), before)


def test_dead_features_of_the_chosen_dictionary_are_told_of(rows):
    # Only the last alpha kills, and only its choice says so.
    alphas = [0.1, 0.2, 5.0]
    options = {"max_iter": 2, "learning_rate": 0.03}
    assert cv(alphas, selection=lambda results: 0, **options).fit(rows).alpha_ == 0.1
    with pytest.warns(DeadFeaturesWarning, match="alpha=5.0"):
        cv(alphas, selection=lambda results: 2, **options).fit(rows)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"alphas": [0.2, 0.1, 0.3]}, ValueError, "does not increase"),
        ({"alphas": [0.1, 0.2]}, ValueError, "knee of 2 alphas is not defined"),
        ({"selection": "knee"}, TypeError, "selection='knee'"),
        ({"selection": lambda results: 3}, ValueError, "returned 3; .* index of the 3 alphas"),
        ({"selection": lambda results: -1}, ValueError, "returned -1"),
        ({"selection": lambda results: 0.5}, TypeError, "returned 0.5"),
        ({"refit": "fvu"}, TypeError, "refit='fvu'"),
        ({"cv": 1}, ValueError, "cv=1"),
        ({"cv": "three"}, ValueError, "cv"),
        ({"max_iter": 0}, ValueError, "max_iter=0"),
    ],
)
def test_bad_parameters(rows, options, error, words):
    with pytest.raises(error, match=words):
        cv(**options).fit(rows[:100])


def test_bad_rows(rows, groups):
    with pytest.raises(ValueError, match="NaN"):
        cv().fit(np.where(np.arange(len(rows))[:, None] == 5, np.nan, rows))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        cv().fit(rows, groups=groups[:-1])
    with pytest.raises(NotFittedError):
        cv().transform(rows)
