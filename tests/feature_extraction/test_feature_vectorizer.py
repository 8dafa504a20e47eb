"""Texts become one row of features each, ready for a classifier."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skdict import ActivationExtractor, SparseDictionaryAutoencoder, load_stories
from skdict.feature_extraction import FeatureVectorizer


@pytest.fixture(scope="module")
def stories():
    return load_stories()


@pytest.fixture
def vectorizer(stories):
    return FeatureVectorizer(
        ActivationExtractor(stories.model, "resid_post.2", max_length=64),
        SparseDictionaryAutoencoder(128, max_iter=2, random_state=0),
    )


def labelled(stories):
    """Return texts that name a girl or a boy at once, and which."""
    pairs = [
        (t, "girl" in t[:60]) for t in stories.texts if ("girl" in t[:60]) != ("boy" in t[:60])
    ]
    texts, labels = zip(*pairs[:160], strict=True)
    return list(texts), np.array(labels)


def test_rows_are_pooled_codes(vectorizer, stories):
    texts = stories.texts[:6]
    features = vectorizer.fit_transform(texts)
    assert isinstance(features, scipy.sparse.csr_array)
    acts = vectorizer.extractor.transform(texts)
    codes = vectorizer.dictionary_.transform(acts).toarray()
    for row in range(6):
        expected = codes[acts.documents == row].max(axis=0)
        np.testing.assert_allclose(features[[row]].toarray()[0], expected, rtol=1e-5)
    np.testing.assert_allclose(vectorizer.transform(texts).toarray(), features.toarray())
    assert len(vectorizer.get_feature_names_out()) == 128


def test_a_classifier_with_one_label_a_text(vectorizer, stories):
    texts, labels = labelled(stories)
    model = make_pipeline(vectorizer, LogisticRegression(max_iter=1000))
    scores = cross_val_score(model, texts, labels, cv=2, error_score="raise")
    assert scores.mean() > 0.8 > max(labels.mean(), 1 - labels.mean())


def test_search_over_its_parts(vectorizer, stories):
    texts, labels = labelled(stories)
    model = make_pipeline(vectorizer, LogisticRegression(max_iter=1000))
    grid = {
        "featurevectorizer__dictionary__alpha": [0.05, 0.1],
        "featurevectorizer__pooling": ["max"],
    }
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(texts[:60], labels[:60])
    assert search.best_score_ > 0.5


def test_fitted_dictionaries_are_used_as_they_are(vectorizer, stories):
    acts = vectorizer.extractor.transform(stories.texts[:10])
    pca = PCA(5).fit(acts)
    features = FeatureVectorizer(vectorizer.extractor, pca, pooling="mean").fit_transform(
        stories.texts[:4]
    )
    assert features.shape == (4, 5)
    assert isinstance(features, np.ndarray)
    assert clone(vectorizer).fit(stories.texts[:20]).dictionary_ is not vectorizer.dictionary
    kept = clone(FeatureVectorizer(vectorizer.extractor, pca)).fit(stories.texts[:3])
    assert kept.dictionary_ is pca


@pytest.mark.parametrize("pooling", ["max", "mean", "last"])
def test_pooled_activations(stories, pooling):
    texts = ["Lily saw Tom.", "Tom ran away."]
    extractor = ActivationExtractor(stories.model, "resid_post.1")
    acts = extractor.transform(texts)
    pooled = extractor.set_params(pooling=pooling).fit_transform(texts)
    assert type(pooled) is np.ndarray
    for row in range(2):
        part = np.asarray(acts[acts.documents == row])
        expected = {"max": part.max(0), "mean": part.mean(0), "last": part[-1]}[pooling]
        np.testing.assert_allclose(pooled[row], expected, rtol=1e-5)
    texts, labels = labelled(stories)
    model = make_pipeline(extractor, LogisticRegression(max_iter=1000)).fit(texts, labels)
    assert model.score(texts, labels) > 0.6


def test_bad_input(vectorizer, stories):
    pooled = clone(vectorizer).set_params(extractor__pooling="max")
    with pytest.raises(ValueError, match="leaves no tokens to encode"):
        pooled.fit(stories.texts[:3])
    with pytest.raises(ValueError, match="'max', 'mean', 'last'"):
        clone(vectorizer).set_params(pooling="sum").fit(stories.texts[:2])
    with pytest.raises(ValueError, match="None, 'max', 'mean', 'last'"):
        clone(vectorizer.extractor).set_params(pooling="sum").fit(stories.texts[:2])
    with pytest.raises(TypeError, match="pass a list"):
        vectorizer.fit("one text")
    fitted = vectorizer.fit(stories.texts[:20])
    fitted.extractor_.set_params(skip_first=2)
    with pytest.raises(ValueError, match=r"texts\[1\] has no token left"):
        fitted.transform(["Lily saw Tom.", "Tom"])
