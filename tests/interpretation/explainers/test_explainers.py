"""Explainers find what was planted, at scores known beforehand."""

import numpy as np
import pytest
import scipy.sparse

from skdict.inspection.evidence import TokenBlock
from skdict.interpretation import (
    ContextExplainer,
    FeatureInterpreter,
    LexiconExplainer,
    NGramExplainer,
)
from skdict.interpretation.explainers._conditions import DECAY, WINDOW
from skdict.interpretation.explainers._rules import RulePredictor
from skdict.interpretation.explainers._terms import Term
from tests.interpretation.planted import VOCABULARY, as_activations, bigram, text

EXPLAINERS = [LexiconExplainer(), NGramExplainer(), ContextExplainer()]


def block(documents, positions, ids):
    return TokenBlock(documents, positions, ids, VOCABULARY)


def score(explainer, codes, *table):
    acts, dictionary = as_activations(codes, *table)
    options = {"explainer": explainer, "sign": "positive", "random_state": 0}
    return FeatureInterpreter(dictionary, **options).fit(acts)


def test_lexicon_on_a_token_in_unknown_context():
    p, q = 0.3, 0.05
    others = np.full(50, (1 - q) / 49)
    others[7] = q
    table = text(2000, 60, 50, p=others)
    fires = np.random.default_rng(1).random(len(table[2])) < p
    interpreter = score(LexiconExplainer(), ((table[2] == 7) & fires)[:, None], *table)
    expected = np.sqrt(p * (1 - q) / (1 - p * q))
    # Four standard errors of a correlation on 36,000 tokens.
    assert interpreter.scores_[0] == pytest.approx(expected, abs=0.025)
    assert interpreter.explanations_[0].terms[0] == (Term("suffix", (7,)), 10.0)
    assert interpreter.explanations_[0].text.startswith('fires on "w7"')
    assert interpreter.explanations_[0].details.startswith('" w7" (10)')


def test_a_bigram_is_explained_by_runs_and_by_tokens_as_well_as_tokens_can():
    table = _, positions, ids = text(800, 60, 12)
    codes = bigram(ids, positions, 3, 4)[:, None]
    runs = score(NGramExplainer(), codes, *table)
    assert runs.scores_[0] > 0.995
    assert runs.explanations_[0].text == 'fires on "w4" after "w3"'
    assert '" w4" after " w3" (10)' in runs.explanations_[0].details
    q, p = 1 / 12, 59 / 60 / 12
    by_tokens = np.sqrt(p * (1 - q) / (1 - p * q))
    assert score(LexiconExplainer(), codes, *table).scores_[0] == pytest.approx(by_tokens, abs=0.03)
    assert runs.report_["context_gain"] == pytest.approx(runs.scores_[0] - by_tokens, abs=0.03)
    assert score(None, codes, *table).scores_[0] >= runs.scores_[0]


def test_a_trigram_and_an_exception():
    table = _, positions, ids = text(800, 60, 6)
    first = np.concatenate([[-1, -1], ids[:-2]])
    trigram = bigram(ids, positions, 3, 4) & (first == 2) & (positions > 1)
    but = (ids == 5) & ~bigram(ids, positions, 1, 5)
    interpreter = score(NGramExplainer(), np.stack([trigram, but], axis=1), *table)
    assert (interpreter.scores_ > 0.99).all()
    assert interpreter.explanations_[0].text == 'fires on "w4" after "w2 w3"'
    assert '" w4" after " w2 w3"' in interpreter.explanations_[0].details
    assert interpreter.explanations_[1].text == 'fires on "w5", but not after "w1"'
    assert '" w5" after " w1" (0)' in interpreter.explanations_[1].details


def test_a_topic_needs_context():
    table = text(300, 80, 30)
    seen = np.zeros(len(table[0]))
    tokens = block(*table)
    for offset in range(1, WINDOW + 1):
        seen += DECAY**offset * (tokens.back(offset) == 8)
    interpreter = score(None, seen[:, None], *table)
    assert interpreter.explanations_[0].method == "context"
    assert interpreter.scores_[0] > 0.95
    assert interpreter.explanations_[0].text == 'fires on tokens soon after "w8"'
    assert '+10 soon after " w8"' in interpreter.explanations_[0].details
    assert abs(score(LexiconExplainer(), seen[:, None], *table).scores_[0]) < 0.1


def test_lexicon_agrees_with_counting():
    table = text(20, 30, 15)
    rng = np.random.default_rng(0)
    codes = np.where(rng.random((600, 5)) < 0.1, rng.random((600, 5)), 0)
    found = LexiconExplainer(budget=3).explain(scipy.sparse.csc_array(codes), block(*table))
    for j, explanation in enumerate(found):
        gains = {}
        for v in range(15):
            here = codes[table[2] == v, j]
            mu = (here.sum() + codes[:, j].mean()) / (len(here) + 1)
            gains[v] = len(here) * max(mu - codes[:, j].mean(), 0) ** 2, mu
        best = sorted(gains, key=lambda v: -gains[v][0])[:3]
        top = max(gains[v][1] for v in best)
        expected = {v: round(10 * gains[v][1] / top) for v in best}
        assert {t.value[0]: level for t, level in explanation.terms} == expected
        assert (explanation.n_rules, explanation.budget) == (3, 3)


def test_runs_agree_with_counting():
    table = _, positions, ids = text(40, 30, 4)
    rng = np.random.default_rng(0)
    codes = np.where((ids == 1) | (rng.random(1200) < 0.05), rng.random(1200), 0)
    found = NGramExplainer(order=2, budget=1000).explain(
        scipy.sparse.csc_array(codes[:, None]), block(*table)
    )[0]
    predicted = RulePredictor([found]).predict(block(*table)).toarray()[:, 0] + codes.mean()
    for v in range(4):
        here = ids == v
        mu_1 = (codes[here].sum() + 2 * codes.mean()) / (here.sum() + 2)
        assert predicted[here & (positions == 0)] == pytest.approx(mu_1, rel=1e-4)
        for u in range(4):
            pair = bigram(ids, positions, u, v)
            mu_2 = (codes[pair].sum() + 2 * mu_1) / (pair.sum() + 2)
            assert predicted[pair] == pytest.approx(mu_2, rel=1e-4)


@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_budgets_hold_and_silent_features_have_no_rules(explainer):
    table = text(30, 40, 25)
    rng = np.random.default_rng(0)
    codes = np.where(rng.random((1200, 4)) < 0.2, rng.random((1200, 4)), 0)
    codes[:, 2] = 0
    explainer = type(explainer)(budget=4)
    found = explainer.explain(scipy.sparse.csc_array(codes), block(*table))
    assert [e.feature for e in found] == [0, 1, 2, 3]
    assert all(e.n_rules <= 4 for e in found)
    assert found[2].terms == () and "nothing seen" in found[2].text
    assert found[2].details == ""
    assert len(found[0].details.split(", ")) == found[0].n_rules
    assert f"[{explainer.name}, {found[0].n_rules} of 4 rules]" in str(found[0])
    with pytest.raises(ValueError, match="budget=0"):
        type(explainer)(budget=0).explain(scipy.sparse.csc_array(codes), block(*table))


def test_many_features_in_chunks_are_explained_alike(monkeypatch):
    table = text(30, 40, 25)
    rng = np.random.default_rng(0)
    codes = scipy.sparse.csc_array(np.where(rng.random((1200, 9)) < 0.2, 1.0, 0))
    whole = NGramExplainer().explain(codes, block(*table))
    monkeypatch.setattr("skdict.interpretation.explainers._ngram.CHUNK_CODES", 500)
    assert NGramExplainer().explain(codes, block(*table)) == whole


def test_an_explanation_alone_predicts_what_all_together_do():
    table = text(30, 40, 25)
    rng = np.random.default_rng(0)
    acts, _ = as_activations(np.where(rng.random((1200, 4)) < 0.2, 1, 0), *table)
    codes = scipy.sparse.csc_array(np.asarray(acts))
    mixed = [e.explain(codes, block(*table))[j] for j, e in enumerate(EXPLAINERS)]
    together = RulePredictor(mixed).predict(block(*table)).toarray()
    for j, explanation in enumerate(mixed):
        assert explanation.predict(acts) == pytest.approx(together[:, j], abs=1e-6)
