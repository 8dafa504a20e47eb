"""Meta-estimators use a fitted estimator as it is and fit a clone of an unfitted one."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

from skdict import ActivationExtractor
from skdict.decomposition import TopKDictionary, check_prefit, fit_or_use
from skdict.feature_extraction import FeatureVectorizer
from skdict.interventions import FeatureEraser, erasure_report

META = {
    "TopKDictionary": lambda dictionary: TopKDictionary(dictionary, k=2),
    "FeatureVectorizer": lambda dictionary: FeatureVectorizer(
        ActivationExtractor("model", "resid_post.0"), dictionary
    ),
    "FeatureEraser": FeatureEraser,
}


@pytest.fixture
def rows():
    return np.random.default_rng(0).standard_normal((60, 5))


def test_a_fitted_one_is_itself_unless_refitting_is_demanded(rows):
    fitted = PCA(2).fit(rows)
    assert fit_or_use(fitted, None) is fitted
    assert fit_or_use(fitted, None, prefit=True) is fitted
    refitted = fit_or_use(fitted, rows[:10], prefit=False)
    assert refitted is not fitted
    assert refitted.n_samples_ == 10
    assert fitted.n_samples_ == 60


def test_of_an_unfitted_one_a_clone_is_fitted(rows):
    unfitted = PCA(2)
    fitted = fit_or_use(unfitted, rows)
    np.testing.assert_array_equal(fitted.mean_, rows.mean(axis=0))
    assert not hasattr(unfitted, "mean_")
    with pytest.raises(NotFittedError):
        fit_or_use(unfitted, rows, prefit=True)


def test_targets_are_passed_on(rows):
    classes = rows[:, 0] > 0
    assert fit_or_use(LogisticRegression(), rows, classes).score(rows, classes) > 0.9


@pytest.mark.parametrize("prefit", ["yes", None, 2])
def test_other_choices_are_refused(prefit):
    with pytest.raises(ValueError, match="'auto', True, False"):
        check_prefit(prefit)


@pytest.mark.parametrize("make", META.values(), ids=META)
def test_clones_keep_a_fitted_dictionary(rows, make):
    fitted, unfitted = PCA(2).fit(rows), PCA(2)
    assert clone(make(fitted)).dictionary is fitted
    assert clone(make(unfitted)).dictionary is not unfitted


def test_clones_keep_the_output_container(rows):
    frames = TopKDictionary(PCA(2).fit(rows), k=2).set_output(transform="pandas")
    assert clone(frames)._sklearn_output_config == {"transform": "pandas"}


def test_a_report_erases_by_the_dictionary_it_was_given(rows):
    seen = []

    def selection(dictionary, X, y):
        seen.append(dictionary)
        return np.arange(2)

    fitted = PCA(2).fit(rows)
    eraser = FeatureEraser(fitted, selection=selection)
    erasure_report({"feature": eraser}, rows, np.arange(60) % 2, random_state=0)
    assert seen == [fitted]
