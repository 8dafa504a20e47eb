"""Alpha or the target L0 selected on held-out rows: as a search would, and by document."""

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
from skdict.metrics import DictionaryScorer, fvu, selection_rule

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


def grid(rule, splitter, candidates=None, **options):
    return GridSearchCV(
        SparseDictionaryAutoencoder(**SMALL | options),
        {"alpha": ALPHAS} if candidates is None else candidates,
        cv=splitter,
        scoring=DictionaryScorer(),
        refit=rule,
        error_score="raise",
    )


@pytest.mark.filterwarnings("ignore:target_l0:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    ("name", "values", "options"),
    [
        ("alpha", ALPHAS, {}),
        ("target_l0", [2, 4.5, 8], {}),
        ("target_l0", [1, 2, 4], {"activation": "topk"}),
        ("target_l0", [1, 2, 4], {"activation": "batch_topk"}),
    ],
    ids=["alphas", "relu", "topk", "batch_topk"],
)
def test_it_chooses_as_a_grid_search_with_equal_measures(rows, name, values, options):
    splitter, rule = KFold(2, shuffle=True, random_state=0), selection_rule(target_l0=4)
    search = grid(rule, splitter, {name: values}, **options).fit(rows)
    options = {"alphas": None, f"{name}s": values, **options}
    mine = cv(cv=splitter, selection=rule, **options).fit(rows)
    theirs = {k: v for k, v in search.cv_results_.items() if not k.endswith("_time")}
    assert mine.cv_results_.keys() == theirs.keys()
    assert mine.cv_results_["params"] == theirs.pop("params")
    for measure, found in theirs.items():
        np.testing.assert_allclose(mine.cv_results_[measure], found, rtol=1e-6, err_msg=measure)
    assert mine.n_splits_ == search.n_splits_
    assert mine.best_index_ == search.best_index_
    for other in (
        selection_rule(max_fvu=0.9),
        selection_rule("knee"),
        selection_rule("one_standard_error"),
    ):
        assert other(mine.cv_results_) == other(search.cv_results_)
    best = search.best_estimator_
    assert {name: getattr(mine, f"{name}_")} == search.best_params_
    assert getattr(mine, f"{name}s_").tolist() == values
    assert mine.alpha_ == best.alpha_
    np.testing.assert_array_equal(mine.dictionary_.components_, best.components_)
    np.testing.assert_array_equal(mine.transform(rows).toarray(), best.transform(rows).toarray())


@pytest.mark.filterwarnings("ignore:target_l0:sklearn.exceptions.ConvergenceWarning")
def test_a_grid_search_goes_over_activations_and_targets_together(rows):
    X = rows * np.linspace(1, 3, 16, dtype=np.float32) + 5
    candidates = {"activation": ["relu", "topk", "batch_topk"], "target_l0": [2, 4]}
    plain = grid(selection_rule(target_l0=4), 2, candidates)
    steps = [("scaler", StandardScaler()), ("sae", SparseDictionaryAutoencoder(**SMALL))]
    in_pipeline = clone(plain).set_params(
        estimator=Pipeline(steps), param_grid={f"sae__{k}": v for k, v in candidates.items()}
    )
    for search in (plain.fit(StandardScaler().fit_transform(X)), in_pipeline.fit(X)):
        results = search.cv_results_
        tried = [tuple(params.values()) for params in results["params"]]
        l0, fvu = (dict(zip(tried, results[f"mean_test_{m}"], strict=True)) for m in ("l0", "fvu"))
        assert len(tried) == 6
        for activation in candidates["activation"]:
            assert fvu[activation, 4] < fvu[activation, 2]
            assert l0[activation, 2] < l0[activation, 4]
        assert l0["topk", 2] <= 2 and l0["topk", 4] <= 4
        reached = [l0["batch_topk", target] for target in (2, 4)]
        np.testing.assert_allclose(reached, [2, 4], rtol=0.1)
        assert list(search.best_params_.values())[1] == 4
    assert in_pipeline.best_estimator_[-1].target_l0 == 4


@pytest.mark.parametrize("name", ["alpha", "target_l0"])
@pytest.mark.usefixtures("short_epochs")
def test_attributes_are_those_of_the_last_fit(rows, name):
    other = {"alpha": "target_l0", "target_l0": "alpha"}[name]
    values = {
        "alpha": {"alphas": ALPHAS, "target_l0s": None, "activation": "relu"},
        "target_l0": {"alphas": None, "target_l0s": [1, 2], "activation": "topk"},
    }
    search = cv(selection=selection_rule(target_l0=2), **values[other]).fit(rows[:300])
    search.set_params(**values[name], refit=False).fit(rows[:300])
    assert hasattr(search, f"{name}_") and hasattr(search, f"{name}s_")
    assert not hasattr(search, f"{other}_") and not hasattr(search, f"{other}s_")


@pytest.mark.usefixtures("short_epochs")
def test_a_clone_starts_from_the_same_fitted_dictionary(rows):
    given = SparseDictionaryAutoencoder(**SMALL).fit(rows)
    options = {"activation": "batch_topk", "target_l0s": [1, 2, 4], "dict_init": given}
    search = cv(None, **options)
    again = clone(search)
    assert again.dict_init is given
    fitted = again.fit(rows)
    alone = SparseDictionaryAutoencoder(
        **SMALL, activation="batch_topk", target_l0=fitted.target_l0_, dict_init=given
    ).fit(rows)
    np.testing.assert_array_equal(fitted.components_, alone.components_)
    np.testing.assert_array_equal(fitted.dictionary_.thresholds_, alone.thresholds_)


def test_folds_are_paths_and_the_result_is_a_fit(rows, fitted):
    for i, (train, test) in enumerate(KFold(2).split(rows)):
        table = sparse_dictionary_path(rows[train], ALPHAS, **SMALL).measure(rows[test])
        for name in ("fvu", "l0", "n_dead", "density"):
            np.testing.assert_array_equal(fitted.cv_results_[f"split{i}_test_{name}"], table[name])
    assert fitted.best_index_ == selection_rule("knee")(fitted.cv_results_)
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


def test_every_fitted_attribute_is_documented(rows, fitted):
    over_targets = cv(None, target_l0s=[1, 2, 4], activation="topk").fit(rows[:300])
    for attribute in (name for name in {*vars(fitted), *vars(over_targets)} if name.endswith("_")):
        assert f"    {attribute} :" in type(fitted).__doc__, attribute


def test_folds_in_processes_of_their_own(rows, fitted):
    parallel = cv(n_jobs=2).fit(rows)
    assert parallel.best_index_ == fitted.best_index_
    for name in ("mean_test_fvu", "std_test_l0"):
        np.testing.assert_allclose(
            parallel.cv_results_[name], fitted.cv_results_[name], rtol=1e-2, err_msg=name
        )


@pytest.mark.usefixtures("short_epochs")
def test_whole_groups_are_held_out(rows, groups):
    by_splitter = cv(cv=GroupKFold(2), refit=False).fit(rows, groups=groups)
    by_number = cv(refit=False).fit(rows, groups=groups)
    search = grid(selection_rule("knee"), GroupKFold(2)).fit(rows, groups=groups)
    for other in (search, by_number):
        assert by_splitter.best_index_ == other.best_index_
        np.testing.assert_allclose(
            by_splitter.cv_results_["split1_test_fvu"], other.cv_results_["split1_test_fvu"]
        )
    with pytest.raises(ValueError, match="6 groups .* too few for 7 folds; pass .* a smaller cv"):
        cv(cv=7).fit(rows, groups=groups)


@pytest.mark.usefixtures("short_epochs")
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


@pytest.mark.usefixtures("short_epochs")
def test_activations_are_held_out_by_text_and_texts_go_in_a_pipeline():
    stories = load_stories()
    extractor = ActivationExtractor(stories.model, "resid_post.1", max_length=32)
    acts = extractor.fit_transform(stories.texts[:20])
    options = {"selection": selection_rule(target_l0=6), "n_components": 64}
    by_default = cv(**options).fit(acts)
    by_groups = cv(**options, cv=GroupKFold(2)).fit(acts, groups=acts.documents)
    pipeline = Pipeline([("acts", extractor), ("cv", cv(**options))]).fit(stories.texts[:20])
    for other in (by_groups, pipeline[-1]):
        np.testing.assert_array_equal(by_default.components_, other.components_)
        np.testing.assert_array_equal(
            by_default.cv_results_["split1_test_fvu"], other.cv_results_["split1_test_fvu"]
        )
    assert pipeline.transform(stories.texts[:1]).shape[1] == 64
    with pytest.raises(ValueError, match="20 groups .documents, for Activations., too few for 21"):
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
    search = cv(selection=selection_rule(max_fvu=0.5)).fit(rows)
    before = search.transform(rows).toarray()
    search.selection = selection_rule(max_fvu=1e-9)
    with pytest.raises(ValueError, match="no candidate is within"):
        search.fit(rows[:, :8])
    np.testing.assert_array_equal(search.transform(rows).toarray(), before)


def test_dead_features_of_the_chosen_dictionary_are_told_of(rows):
    # Only the last alpha kills, and only its choice says so.
    alphas = [0.1, 0.2, 5.0]
    options = {"max_iter": 2, "learning_rate": 0.03}
    assert cv(alphas, selection=lambda results: 0, **options).fit(rows).alpha_ == 0.1
    with pytest.warns(DeadFeaturesWarning, match=r"alpha=5\b"):
        cv(alphas, selection=lambda results: 2, **options).fit(rows)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"alphas": [0.2, 0.1, 0.3]}, ValueError, "does not increase"),
        ({"alphas": [0.1, 0.2]}, ValueError, "knee of 2 alphas is not defined"),
        ({"target_l0s": [2, 4, 8]}, ValueError, "alphas and target_l0s are both given"),
        ({"activation": "topk"}, ValueError, r"no penalty.* pass target_l0s=\[16, 32, 64\]"),
        (
            {"alphas": None, "target_l0s": [2, 4]},
            ValueError,
            "knee of 2 target_l0s is not defined; pass at least 3 target_l0s",
        ),
        (
            {
                "alphas": None,
                "target_l0s": [2, 4],
                "activation": "batch_topk",
                "selection": lambda results: 2,
            },
            ValueError,
            "index of the 2 target_l0s",
        ),
        ({"alphas": None, "target_l0s": [2, 4, 25]}, ValueError, "target_l0=25 is more than"),
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
@pytest.mark.usefixtures("short_epochs")
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
