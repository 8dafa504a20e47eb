"""One study: rows encoded once a part, features numbered as in the dictionary, failures kept."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from skdict import FeatureInterpreter, IdentityDictionary
from skdict._llm import BudgetSpentError, ClientError, ReplyError
from skdict.interpretation import (
    DetectionScorer,
    Failure,
    LexiconExplainer,
    LLMExplainer,
    LLMJudge,
    LLMSimulator,
    NGramExplainer,
)
from skdict.interpretation._attempts import Attempts
from skdict.interpretation.strategies import check_strategy
from tests.interpretation.planted import as_activations, text
from tests.scripted import Reader, explain_and_judge

OPTIONS = {"sign": "positive", "random_state": 0}


class Counting(IdentityDictionary):
    """A dictionary that counts how often it encodes each row; a row's last number is its own."""

    def transform(self, X):
        self.rows = [*getattr(self, "rows", []), *np.asarray(X)[:, -1].tolist()]
        return super().transform(X)


@pytest.fixture(scope="module")
def planted():
    """Six features, each one token of twelve, and a last number that tells rows apart."""
    table = text(60, 32, 12)
    codes = (table[2][:, None] == np.arange(6)).astype(float)
    codes = np.hstack([codes, 1 + np.arange(len(codes))[:, None]])
    return as_activations(codes, *table)


@pytest.mark.parametrize("explainer", [NGramExplainer(), None])
def test_rows_to_explain_and_to_test_are_encoded_once(planted, explainer):
    acts, _ = planted
    dictionary = Counting().fit(acts)
    FeatureInterpreter(dictionary, explainer=explainer, n_features=4, **OPTIONS).fit(acts)
    _, times = np.unique(dictionary.rows, return_counts=True)
    assert set(times) == {1}
    assert len(times) == len(acts)


def test_a_judge_is_fitted_on_codes_that_are_encoded_once(planted):
    acts, _ = planted
    dictionary = Counting().fit(acts)
    DetectionScorer(window=16, sign="positive", n_features=4)(dictionary, acts)
    _, times = np.unique(dictionary.rows, return_counts=True)
    assert set(times) == {1} and len(times) == len(acts)


def test_fragments_are_encoded_once(planted):
    acts, _ = planted
    dictionary = Counting().fit(acts)
    reader = Reader()
    FeatureInterpreter(
        dictionary,
        explainer=LLMExplainer(reader),
        simulator=LLMSimulator(reader),
        sampling="cunningham2023",
        **OPTIONS,
    ).fit(acts)
    assert sorted(dictionary.rows) == sorted(np.asarray(acts)[:, -1].tolist())


@pytest.mark.parametrize("order", ["random", "index"])
def test_explanations_know_their_feature(planted, order):
    acts, dictionary = planted
    found = FeatureInterpreter(
        dictionary, explainer=LexiconExplainer(1), n_features=4, order=order, **OPTIONS
    ).fit(acts)
    assert [e.feature for e in found.explanations_] == found.features_.tolist()
    for explanation in found.explanations_:
        if explanation.feature < 6:
            assert explanation.text == f'fires on "w{explanation.feature}"'
            assert explanation.details == f'" w{explanation.feature}" (10)'


def test_explanations_in_words_know_their_feature(planted):
    acts, dictionary = planted
    reader = Reader()
    found = FeatureInterpreter(
        dictionary,
        explainer=LLMExplainer(reader, window=16),
        simulator=LLMSimulator(reader),
        sampling="top",
        window=16,
        n_features=3,
        **OPTIONS,
    ).fit(acts)
    assert [e.feature for e in found.explanations_] == found.features_.tolist()


class Lacking:
    """No strategy at all."""


@pytest.mark.parametrize("wrong", [Lacking(), Lacking, 3, "lexicon", NGramExplainer])
@pytest.mark.parametrize("kind", ["explainer", "simulator", "judge"])
def test_strategies_of_the_wrong_kind_are_refused_at_the_door(planted, kind, wrong):
    acts, dictionary = planted
    with pytest.raises(TypeError, match=f"(?s){kind}=.* is not accepted: it has no .*; pass a"):
        check_strategy(kind, wrong)
    calls = {
        "explainer": lambda: FeatureInterpreter(dictionary, explainer=wrong).fit(acts),
        "simulator": lambda: FeatureInterpreter(
            dictionary, explainer=NGramExplainer(), simulator=wrong, sampling="top"
        ).fit(acts),
        "judge": lambda: DetectionScorer(wrong)(dictionary, acts),
    }
    with pytest.raises(TypeError, match=f"{kind}="):
        calls[kind]()
    with pytest.raises(TypeError, match="explainer="):
        DetectionScorer(LLMJudge(explain_and_judge), explainer=wrong)(dictionary, acts)


def test_attempts_keep_what_fails_and_go_on():
    errors = {1: ReplyError("cannot be read", "raw words"), 3: BudgetSpentError("spent")}
    errors[4] = ClientError("lost", raw="half")

    def function(task):
        if task in errors:
            raise errors[task]
        return 10 * task

    attempts = Attempts()
    found = attempts.each("judge", object(), function, [(j + 100, j) for j in range(6)])
    assert found == [0, None, 20, None, None, 50]
    assert attempts.first() == {
        101: Failure("judge", "cannot be read", "raw words"),
        103: Failure("judge", "spent", stopped=True),
        104: Failure("judge", "lost", "half"),
    }


@pytest.mark.parametrize("error", [ClientError("a wrong key", refused=True), OSError("disk")])
def test_what_ends_a_run_is_not_caught(error):
    def function(task):
        raise error

    with pytest.raises(type(error), match=str(error)):
        Attempts().each("explain", object(), function, [(0, 0)])


class Missing(BaseEstimator):
    """An explainer with nothing to say of the second feature it is shown."""

    def explain(self, codes, tokens):
        found = LexiconExplainer().explain(codes, tokens)
        return [None if j == 1 else e for j, e in enumerate(found)]


def test_a_missing_explanation_is_a_failure_with_a_reason(planted):
    acts, dictionary = planted
    found = FeatureInterpreter(dictionary, explainer=Missing(), **OPTIONS).fit(acts)
    assert found.status_[1] == "failed" and found.explanations_[1] is None
    assert found.failures_ == {1: Failure("explain", "the explainer returned no explanation")}


class Named(LexiconExplainer):
    """A lexicon under another name."""

    name = "named"


@pytest.mark.parametrize("first", [LexiconExplainer(1), Named(1)])
def test_the_first_lexicon_is_the_baseline_of_the_context_gain(planted, first):
    acts, dictionary = planted
    found = FeatureInterpreter(dictionary, explainer=[first, LexiconExplainer(20)], **OPTIONS).fit(
        acts
    )
    alone = FeatureInterpreter(dictionary, explainer=first, **OPTIONS).fit(acts)
    assert np.array_equal(found._found.results.lexicon, alone._found.results.score, equal_nan=True)
