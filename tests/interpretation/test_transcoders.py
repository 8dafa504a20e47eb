"""Transcoder features are explained by where they fire, as those of other dictionaries are."""

import numpy as np
import pytest
from sklearn.base import clone

from skdict import IdentityDictionary, SparseTranscoder
from skdict.interpretation import FeatureInterpreter, InterpretabilityScorer
from tests.decomposition.made_transcoder import make_transcoder
from tests.interpretation.planted import as_activations, bigram, text

OPTIONS = {"sign": "positive", "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore::skdict.exceptions.DeadFeaturesWarning")


@pytest.fixture(scope="module")
def planted():
    """Return activations whose columns fire on two tokens and a bigram, and on nothing."""
    table = _, positions, ids = text(120, 30, 10)
    codes = np.zeros((len(ids), 4))
    codes[:, 0], codes[:, 1] = ids == 3, 2 * (ids == 5)
    codes[:, 2] = bigram(ids, positions, 7, 8)
    return as_activations(codes, *table)[0]


@pytest.fixture(scope="module")
def transcoder():
    """Return a transcoder that fires on the columns in reverse, and writes something else."""
    rng = np.random.default_rng(0)
    encoder, components = np.eye(4)[::-1], rng.standard_normal((4, 7))
    return make_transcoder(encoder, np.zeros(4), components, np.ones(7))


def test_features_are_explained_by_the_text_they_fire_on(planted, transcoder):
    found = FeatureInterpreter(transcoder, **OPTIONS).fit(planted)
    columns = FeatureInterpreter(
        IdentityDictionary().fit(np.asarray(planted)), features=[3, 2, 1, 0], **OPTIONS
    ).fit(planted)
    assert found.dictionary_ is transcoder
    assert found.status_.tolist() == columns.status_.tolist() == ["dead", *3 * ["scored"]]
    assert [e and e.text for e in found.explanations_] == [
        e and e.text for e in columns.explanations_
    ]
    np.testing.assert_array_equal(found.scores_, columns.scores_)
    assert found.mean_score_ > 0.9
    assert found.transform(planted).shape == (len(planted), 4)
    assert clone(found).dictionary is transcoder
    measures = InterpretabilityScorer(sign="positive").measure(transcoder, planted)
    assert measures["interpretability"] == pytest.approx(found.mean_score_, abs=0.05)


def test_an_unfitted_transcoder_is_fitted_on_the_targets(planted):
    targets = np.asarray(planted) @ np.random.default_rng(0).standard_normal((4, 3))
    new = SparseTranscoder(8, max_iter=2, random_state=0)
    interpreter = FeatureInterpreter(new, **OPTIONS).fit(planted, targets)
    own = SparseTranscoder(8, max_iter=2, random_state=0).fit(planted, targets)
    np.testing.assert_array_equal(interpreter.dictionary_.components_, own.components_)
    assert not hasattr(new, "components_")
    with pytest.raises(ValueError, match="SparseTranscoder requires y to be passed"):
        FeatureInterpreter(new, **OPTIONS).fit(planted)
    # Others are fitted without the targets that a search may pass on.
    other = FeatureInterpreter(IdentityDictionary(), **OPTIONS).fit(planted, targets)
    assert other.dictionary_.components_.shape == (4, 4)
