"""On a real model the score tells learned features from others, and context from tokens."""

import pytest
from sklearn.decomposition import PCA

from skdict import (
    ActivationExtractor,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    compare_dictionaries,
    load_stories,
)
from skdict.interpretation import InterpretabilityScorer, reinitialize_model


def table_of(model, methods):
    stories = load_stories()
    acts = ActivationExtractor(model, "resid_post.2").fit_transform(stories.texts[:200])
    scorers = [InterpretabilityScorer(n_features=100)]
    return compare_dictionaries(methods, acts, acts, n_active=[8], scorers=scorers)


@pytest.mark.slow
def test_learned_features_score_above_others_and_need_a_learnt_model_for_context():
    sae = SparseDictionaryAutoencoder(256, alpha=0.2, random_state=0)
    methods = {"sae": sae, "pca": PCA(64), "random": RandomDictionary(256, random_state=0)}
    stories = load_stories()
    learnt = table_of(stories.model, methods)
    print(learnt)
    for other in ("pca", "random"):
        high = learnt[other, 8]["interpretability_high"]
        assert learnt["sae", 8]["interpretability_low"] > high
    unlearnt = table_of(reinitialize_model(stories.model), {"sae": sae})
    print(unlearnt)
    assert learnt["sae", 8]["context_gain_low"] > unlearnt["sae", 8]["context_gain_high"]
    for record in learnt.records + unlearnt.records:
        assert abs(record["shuffled"]) < 0.05
