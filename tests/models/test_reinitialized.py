"""The re-initialised model is the same model, with other weights each seed."""

import numpy as np
import pytest
import torch

from skdict import (
    ActivationExtractor,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    compare_dictionaries,
    load_stories,
)
from skdict.interpretation import InterpretabilityScorer, LexiconExplainer, reinitialize_model

TEXTS = load_stories().texts[:16]


def test_weights_are_drawn_anew_and_all_else_is_kept():
    model = load_stories().model
    state = torch.get_rng_state()
    (first, tokenizer), (again, _), (other, _) = (
        reinitialize_model(model, random_state=s) for s in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), state)
    assert first.config.to_dict() == other.config.to_dict()
    learnt = ActivationExtractor(model, "resid_post.1").fit_transform(TEXTS)
    acts = [
        ActivationExtractor((m, tokenizer), "resid_post.1").fit_transform(TEXTS)
        for m in (first, again, other)
    ]
    for a in acts:
        assert np.array_equal(a.token_ids, learnt.token_ids)
        assert a.shape == learnt.shape
    assert np.array_equal(acts[0], acts[1])
    assert not np.allclose(acts[0], acts[2]) and not np.allclose(acts[0], learnt)


def test_a_plain_module_cannot_be_drawn_anew():
    with pytest.raises(TypeError, match="Linear has no config to rebuild it from"):
        reinitialize_model((torch.nn.Linear(2, 2), None))


def test_interpretability_in_the_table_of_all_methods():
    acts = ActivationExtractor(load_stories().model, "resid_post.1").fit_transform(TEXTS)
    methods = {
        "sae": SparseDictionaryAutoencoder(24, max_iter=2, random_state=0),
        "random": RandomDictionary(24, random_state=0),
    }
    scorer = InterpretabilityScorer(n_features=10)
    lexicon = InterpretabilityScorer(n_features=10, explainer=LexiconExplainer())
    scorers = {"best": scorer, "tokens": lexicon}
    table = compare_dictionaries(methods, acts, acts, n_active=[4], scorers=scorers)
    for record in table.records:
        low, mean, high = (record[f"best_interpretability{end}"] for end in ("_low", "", "_high"))
        assert low < mean < high
        assert abs(record["best_shuffled"]) < abs(mean)
        assert record["tokens_context_gain"] == 0
        assert record["best_n_scored"] + record["best_n_insufficient"] == 10
    fitted = methods["sae"].fit(acts)
    alone = compare_dictionaries({"sae": fitted}, None, acts, scorers=[scorer])["sae"]
    assert alone["interpretability"] == scorer(fitted, acts)
    assert alone["n_dead"] == compare_dictionaries({"sae": fitted}, None, acts)["sae"]["n_dead"]
