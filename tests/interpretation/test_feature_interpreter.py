"""The interpreter counts every feature, scores on documents kept apart, and is an estimator."""

import pickle

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline

from skdict import ActivationExtractor, Activations, SparseDictionaryAutoencoder, load_stories
from skdict.inspection.evidence import split_documents
from skdict.interpretation import (
    Explanation,
    FeatureInterpreter,
    InterpretabilityScorer,
    LexiconExplainer,
    NGramExplainer,
)
from skdict.interpretation.explainers import Term
from tests.interpretation.planted import as_activations, bigram, text

POSITIVE = {"sign": "positive", "random_state": 0}


@pytest.fixture(scope="module")
def planted():
    """Six features: two tokens, a bigram, one dead, one rare, and one without any reason."""
    table = _, positions, ids = text(300, 40, 10)
    rng = np.random.default_rng(1)
    codes = np.zeros((len(ids), 6))
    codes[:, 0] = (ids == 3) * rng.uniform(0.9, 1.1, len(ids))
    codes[:, 1] = ids == 5
    codes[:, 2] = bigram(ids, positions, 7, 8)
    codes[:, 4] = np.isin(np.arange(len(ids)), [900, 9000])
    codes[:, 5] = rng.random(len(ids)) < 0.01
    return as_activations(codes, *table)


@pytest.fixture(scope="module")
def fitted(planted):
    acts, dictionary = planted
    return FeatureInterpreter(dictionary, **POSITIVE).fit(acts)


def test_every_feature_has_a_status(fitted):
    assert fitted.status_[:4].tolist() == ["scored", "scored", "scored", "dead"]
    assert fitted.status_[4] in ("dead", "insufficient")
    assert sum(fitted.counts_.values()) == 6
    assert (fitted.scores_[:3] > 0.98).all()
    assert np.isnan(fitted.scores_[3:5]).all()
    assert len(fitted.explanations_) == len(fitted.features_) == 6


def test_report(fitted):
    report = fitted.report_
    counted = np.isin(fitted.status_, ["scored", "undefined"])
    scores = np.nan_to_num(fitted.scores_[counted])
    assert report["interpretability"] == fitted.mean_score_ == pytest.approx(scores.mean())
    assert fitted.median_score_ == pytest.approx(np.median(scores))
    assert fitted.interval_[0] < fitted.mean_score_ < fitted.interval_[1]
    assert abs(report["shuffled"]) < 0.1
    # Only the bigram needs context, where tokens alone reach the root of p(1-q)/(1-pq).
    p = q = 1 / 10
    expected = (1 - np.sqrt(p * (1 - q) / (1 - p * q))) / counted.sum()
    assert report["context_gain"] == pytest.approx(expected, abs=0.05)


def test_scores_are_numpys_on_the_test_documents(planted):
    acts, dictionary = planted
    interpreter = FeatureInterpreter(dictionary, explainer=LexiconExplainer(), **POSITIVE).fit(acts)
    part = split_documents(acts, seed=interpreter._study.test.seed)["test"][acts.documents]
    test = acts[part]
    for j in range(3):
        predicted = interpreter.explanations_[j].predict(test)
        expected = np.corrcoef(predicted, np.asarray(test)[:, j])[0, 1]
        assert interpreter.scores_[j] == pytest.approx(expected, rel=1e-6)
    assert interpreter.report_["context_gain"] == 0


def test_explanations_are_written_without_the_test_documents(planted):
    acts, dictionary = planted
    before = FeatureInterpreter(dictionary, **POSITIVE).fit(acts)
    test = split_documents(acts, seed=before._study.test.seed)["test"][acts.documents]
    changed = np.asarray(acts).copy()
    changed[test] = changed[test][::-1]
    table = acts.documents, acts.positions, acts.token_ids
    after = FeatureInterpreter(dictionary, **POSITIVE).fit(as_activations(changed, *table)[0])
    assert after.explanations_ == before.explanations_
    assert after.mean_score_ < before.mean_score_ - 0.3


class Nothing(BaseEstimator):
    """Explain every feature by no rule, or fail where told to."""

    def __init__(self, fail=()):
        self.fail = fail

    def explain(self, codes, tokens):
        empty = [Explanation(j, "nothing", 0, 0, "nothing", ()) for j in range(codes.shape[1])]
        return [None if j in self.fail else e for j, e in enumerate(empty)]


def test_a_constant_prediction_is_undefined_and_counted(planted):
    acts, dictionary = planted
    options = {"explainer": Nothing(fail=(1,)), **POSITIVE}
    interpreter = FeatureInterpreter(dictionary, **options).fit(acts)
    assert interpreter.counts_["n_undefined"] == 3 and interpreter.counts_["n_failed"] == 1
    assert interpreter.status_[1] == "failed"
    assert np.isnan(interpreter.scores_).all()
    assert interpreter.mean_score_ == 0
    omitting = FeatureInterpreter(dictionary, nan_policy="omit", **options).fit(acts)
    assert np.isnan(omitting.mean_score_)


class Labels(BaseEstimator):
    """Explain every feature by a set of tokens."""

    def __init__(self, tokens):
        self.tokens = tokens

    def explain(self, codes, tokens):
        terms = tuple((Term("suffix", (v,)), 1.0) for v in self.tokens)
        return [Explanation(j, "labels", 1, 1, "these", terms) for j in range(codes.shape[1])]


def test_missing_and_extra_labels_lower_the_default_score():
    # Ten tokens of ten thousand draws in a hundred thousand: the feature fires on 1 in 1,000.
    p = np.concatenate([np.full(20, 1e-4), np.full(380, (1 - 20e-4) / 380)])
    table = text(2500, 80, 400, p=p)
    size = np.random.default_rng(0).lognormal(0, 0.3, len(table[2]))
    acts, dictionary = as_activations(((table[2] < 10) * size)[:, None], *table)
    found = {}
    for name, tokens in {"exact": range(10), "missing": range(5), "extra": range(20)}.items():
        for sampling in ("full", "top"):
            options = {"explainer": Labels(list(tokens)), "sampling": sampling, **POSITIVE}
            found[name, sampling] = FeatureInterpreter(dictionary, **options).fit(acts).mean_score_
    assert found["exact", "full"] > 0.85
    assert found["missing", "full"] < found["exact", "full"] - 0.1
    assert found["extra", "full"] < found["exact", "full"] - 0.1
    # Which is why whole text is the default: top windows do not see what is said too much.
    assert found["extra", "top"] > found["exact", "top"] - 0.1


@pytest.mark.parametrize("sampling", ["top", "random", "top_and_random"])
def test_windows(planted, sampling):
    acts, dictionary = planted
    options = {"explainer": LexiconExplainer(), "sampling": sampling, "window": 8, **POSITIVE}
    interpreter = FeatureInterpreter(dictionary, **options).fit(acts)
    assert (interpreter.scores_[:2] > 0.98).all()
    assert interpreter.status_[3] == "dead"
    again = FeatureInterpreter(dictionary, **options).fit(acts)
    assert np.array_equal(interpreter.scores_, again.scores_, equal_nan=True)
    # Tokens 8 that do not follow 7 are rare in windows where the bigram is.
    full = FeatureInterpreter(dictionary, explainer=LexiconExplainer(), **POSITIVE).fit(acts)
    assert interpreter.scores_[2] > full.scores_[2] + 0.2


def test_signs_are_features_of_their_own(planted):
    acts, dictionary = planted
    codes = np.asarray(acts).copy()
    codes[:, 0] -= np.asarray(acts)[:, 1]
    signed, _ = as_activations(codes, acts.documents, acts.positions, acts.token_ids)
    split = FeatureInterpreter(dictionary, random_state=0).fit(signed)
    assert split.features_.tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert split.scores_[[0, 6]].min() > 0.98
    assert '"w3"' in split.explanations_[0].text and '"w5"' in split.explanations_[6].text
    positive = FeatureInterpreter(dictionary, **POSITIVE).fit(signed)
    assert positive.features_.tolist() == [0, 1, 2, 3, 4, 5]
    assert split.counts_["n_dead"] == positive.counts_["n_dead"]


def test_features_are_drawn_among_the_living_or_taken_in_order(planted):
    acts, dictionary = planted
    drawn = FeatureInterpreter(dictionary, n_features=3, **POSITIVE).fit(acts)
    assert len(drawn.features_) == 3 and 3 not in drawn.features_
    assert drawn.counts_["n_dead"] >= 1
    first = FeatureInterpreter(dictionary, n_features=4, order="index", **POSITIVE).fit(acts)
    assert first.features_.tolist() == [0, 1, 2, 3]
    draws = {
        tuple(
            FeatureInterpreter(
                dictionary, n_features=3, sign="positive", explainer=LexiconExplainer(),
                random_state=seed,
            ).fit(acts).features_
        )
        for seed in range(6)
    }  # fmt: skip
    assert len(draws) > 1


def test_all_dead(planted):
    acts, dictionary = planted
    table = acts.documents, acts.positions, acts.token_ids
    silent, _ = as_activations(np.zeros(acts.shape), *table)
    for n_features in (None, 3):
        interpreter = FeatureInterpreter(dictionary, n_features=n_features, **POSITIVE).fit(silent)
        assert interpreter.counts_["n_dead"] == 6
        assert np.isnan(interpreter.mean_score_)


def test_other_documents(planted, fitted):
    acts, _ = planted
    assert fitted.score(acts) == pytest.approx(fitted.mean_score_, abs=0.1)
    assert np.array_equal(fitted.transform(acts), np.asarray(acts))
    shuffled = np.asarray(acts)[np.random.default_rng(0).permutation(len(acts))]
    table = acts.documents, acts.positions, acts.token_ids
    assert abs(fitted.score(as_activations(shuffled, *table)[0])) < 0.1


def test_block_size_does_not_matter(planted, fitted, monkeypatch):
    acts, dictionary = planted
    monkeypatch.setattr("skdict.inspection._encoding.BLOCK_CODES", 600)
    small = FeatureInterpreter(dictionary, **POSITIVE).fit(acts)
    assert small.explanations_ == fitted.explanations_
    assert small.scores_ == pytest.approx(fitted.scores_, nan_ok=True)


def test_given_features_are_explained_in_their_order(planted, fitted):
    acts, dictionary = planted
    given = FeatureInterpreter(dictionary, features=[2, 3, 0], n_features=1, **POSITIVE).fit(acts)
    assert given.features_.tolist() == [2, 3, 0]
    assert given.explanations_ == [fitted.explanations_[j] for j in (2, 3, 0)]
    np.testing.assert_array_equal(given.scores_, fitted.scores_[[2, 3, 0]])
    assert given.status_.tolist() == ["scored", "dead", "scored"]
    assert given.counts_["n_dead"] == fitted.counts_["n_dead"]
    scores = FeatureInterpreter(dictionary, features=[0, 2], **POSITIVE).fit(acts).score(acts)
    assert given.score(acts) == pytest.approx(scores)
    as_array = clone(FeatureInterpreter(dictionary, features=np.array([2, 3, 0]), **POSITIVE))
    assert as_array.fit(acts).explanations_ == given.explanations_


def test_negative_codes_are_given_by_their_own_number(planted):
    acts, _ = planted
    turned = as_activations(-np.asarray(acts), acts.documents, acts.positions, acts.token_ids)
    split = FeatureInterpreter(turned[1], features=[6, 0], random_state=0).fit(turned[0])
    assert split.status_.tolist() == ["scored", "dead"] and split.explanations_[0].feature == 6
    with pytest.raises(ValueError, match="contains 6, which does not exist among 6 features"):
        FeatureInterpreter(turned[1], features=[6], **POSITIVE).fit(turned[0])


@pytest.mark.parametrize(
    ("features", "error", "message"),
    [
        ([0, 12], ValueError, "contains 12, which does not exist among 12 features"),
        ([0, -1], ValueError, "contains -1, which does not exist"),
        ([0, 1, 0], ValueError, "features contains 0 more than once"),
        ([], ValueError, "features is empty; pass at least one"),
        ([0.0], TypeError, "a value in features=0.0 is not accepted"),
        (3, TypeError, "features=3 is not accepted: pass a list of distinct integers"),
    ],
)
def test_lists_of_features_are_checked(planted, features, error, message):
    acts, dictionary = planted
    with pytest.raises(error, match=message):
        FeatureInterpreter(dictionary, features=features).fit(acts)


def test_a_list_for_n_features_points_to_features(planted):
    acts, dictionary = planted
    with pytest.raises(TypeError, match=r"n_features=\[1, 2\].*pass features=\[\.\.\.\]"):
        FeatureInterpreter(dictionary, n_features=[1, 2]).fit(acts)


def test_fitted_dictionaries_are_kept_and_unfitted_ones_cloned(planted):
    acts, _ = planted
    unfitted, pca = PCA(2), PCA(2).fit(acts)
    assert FeatureInterpreter(unfitted, n_features=2).fit(acts).dictionary_ is not unfitted
    assert not hasattr(unfitted, "components_")
    kept = FeatureInterpreter(pca, n_features=2)
    assert clone(kept).dictionary is pca and kept.fit(acts).dictionary_ is pca
    refitted = FeatureInterpreter(pca, n_features=2, prefit=False)
    assert refitted.fit(acts).dictionary_ is not pca
    assert not hasattr(clone(refitted).dictionary, "components_")
    with pytest.raises(NotFittedError):
        FeatureInterpreter(unfitted, prefit=True).fit(acts)


def test_pickle_and_names(fitted, planted):
    acts, _ = planted
    again = pickle.loads(pickle.dumps(fitted))
    assert again.score(acts) == fitted.score(acts)
    assert len(fitted.get_feature_names_out()) == 6


def test_bad_input(planted):
    acts, dictionary = planted
    with pytest.raises(TypeError, match="X is ndarray; pass Activations"):
        FeatureInterpreter(dictionary).fit(np.asarray(acts))
    with pytest.raises(ValueError, match="pass at least 3"):
        FeatureInterpreter(dictionary).fit(acts[acts.documents < 2])
    for name, value in [("sampling", "all"), ("sign", "both"), ("order", None), ("n_features", 0),
                        ("window", 0), ("nan_policy", "raise"), ("prefit", "no")]:  # fmt: skip
        with pytest.raises(ValueError, match=f"{name}={value!r}"):
            FeatureInterpreter(dictionary, **{name: value}).fit(acts)
    for explainer in ("lexicon", []):
        with pytest.raises(TypeError, match="pass an explainer"):
            FeatureInterpreter(dictionary, explainer=explainer).fit(acts)
    with pytest.raises(TypeError, match="has no components_"):
        InterpretabilityScorer()(NGramExplainer(), acts)


def test_scorer_is_the_interpreter(planted):
    acts, dictionary = planted
    scorer = InterpretabilityScorer(n_features=None, sign="positive")
    interpreter = FeatureInterpreter(dictionary, **POSITIVE).fit(acts)
    assert scorer(dictionary, acts) == interpreter.mean_score_
    assert scorer.measure(dictionary, acts) == pytest.approx(interpreter.report_)
    assert "n_features=None" in repr(scorer)


def test_searches_on_activations_and_on_texts():
    stories = load_stories()
    extractor = ActivationExtractor(stories.model, "resid_post.1")
    texts = stories.texts[:24]
    acts = extractor.fit_transform(texts)
    assert isinstance(acts, Activations)
    sae = SparseDictionaryAutoencoder(32, max_iter=1, random_state=0)
    scorer = InterpretabilityScorer(n_features=6, explainer=LexiconExplainer())
    search = GridSearchCV(sae, {"alpha": [0.05, 0.2]}, scoring=scorer, cv=GroupKFold(2))
    assert np.isfinite(search.fit(acts, groups=acts.documents).cv_results_["mean_test_score"]).all()
    interpreter = FeatureInterpreter(
        sae, n_features=6, explainer=LexiconExplainer(), random_state=0
    )
    steps = Pipeline([("acts", extractor), ("interp", interpreter)])
    search = GridSearchCV(steps, {"interp__dictionary__alpha": [0.05, 0.2]}, cv=2).fit(texts)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.transform(texts).shape == (len(acts), 32)
    whole = Pipeline([("acts", extractor), ("sae", sae)]).fit(texts)
    assert scorer(whole, texts) == pytest.approx(scorer(whole[1], acts))
