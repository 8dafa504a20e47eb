"""The explainer of each feature is selected as in a plain loop, and writes from both parts."""

import numpy as np
import pytest
import scipy.sparse

from skdict import FeatureInterpreter
from skdict.inspection.evidence import TokenBlock, split_documents
from skdict.interpretation import (
    ContextExplainer,
    DetectionScorer,
    EmbeddingJudge,
    LexiconExplainer,
    LLMSimulator,
    NGramExplainer,
)
from skdict.interpretation._study import draw_seed
from skdict.interpretation.explainers._selection import best_explainers, write
from tests.interpretation.planted import as_activations, bigram, text

OPTIONS = {"sign": "positive", "random_state": 0}
EXPLAINERS = [LexiconExplainer(3), NGramExplainer(budget=5), ContextExplainer(2)]
TABLE = text(120, 30, 12)


@pytest.fixture(scope="module")
def rows():
    """Masks of the rows of each part of the text."""
    acts, _ = as_activations(np.zeros((3600, 1)), *TABLE)
    parts = split_documents(acts, seed=draw_seed(0))
    return {name: mask[acts.documents] for name, mask in parts.items()}


@pytest.fixture(scope="module")
def planted(rows):
    """Features of a token, five bigrams, the token before, and others.

    Feature 3 is dead where explanations are selected.
    """
    _, positions, ids = TABLE
    rng = np.random.default_rng(1)
    codes = np.zeros((len(ids), 7))
    codes[:, 0] = (ids == 3) * rng.integers(1, 4, len(ids))
    for first, second in [(7, 8), (1, 9), (2, 10), (4, 11), (6, 0)]:
        codes[:, 1] += bigram(ids, positions, first, second)
    codes[:, 2] = np.concatenate([[False], ids[:-1] == 5]) * (positions > 0)
    codes[:, 3] = (ids == 2) & ~rows["select"]
    codes[:, 4] = np.isin(ids, [1, 6])
    codes[:, 6] = rng.random(len(ids)) < 0.05
    return as_activations(codes, *TABLE)


def explained(explainer, acts, rows, j):
    """Explain one feature from some rows, without a study."""
    codes = scipy.sparse.csc_array(np.asarray(acts)[rows][:, [j]])
    return explainer.explain(codes, TokenBlock.of(acts)[rows])[0]


def winner(acts, rows, j):
    """Return the index of the best explainer of a feature, by numpy's correlation."""
    held_out, found = acts[rows["select"]], []
    for explainer in EXPLAINERS:
        predicted = explained(explainer, acts, rows["explain"], j).predict(held_out)
        codes = np.asarray(held_out)[:, j]
        constant = np.ptp(codes) == 0 or np.ptp(predicted) == 0
        found.append(-np.inf if constant else round(np.corrcoef(predicted, codes)[0, 1], 6))
    # The last explainer is preferred unless it is clearly worse.
    found[-1] += 0.1
    return int(np.argmax(found))


def same(one, other, acts):
    """Return whether two explanations have the same text and the same predictions."""
    if (one.method, one.text) != (other.method, other.text):
        return False
    return np.allclose(one.predict(acts), other.predict(acts), rtol=1e-5, atol=1e-5)


def test_the_winner_of_each_feature_writes_from_both_parts(planted, rows):
    acts, dictionary = planted
    given = [6, 2, 0, 3, 1, 5, 4]
    found = FeatureInterpreter(dictionary, explainer=EXPLAINERS, features=given, **OPTIONS)
    explanations = found.fit(acts).explanations_
    winners = [winner(acts, rows, j) for j in given]
    assert set(winners) == {0, 1, 2}
    # Feature 3 never fires in the part to select on, and feature 5 nowhere.
    assert [winners[given.index(j)] for j in (3, 5)] == [0, 0]
    both = rows["explain"] | rows["select"]
    for j, i, explanation in zip(given, winners, explanations, strict=True):
        assert explanation.feature == j
        assert same(explanation, explained(EXPLAINERS[i], acts, both, j), acts)


@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_a_single_explainer_writes_from_both_parts(planted, rows, explainer):
    acts, dictionary = planted
    found = FeatureInterpreter(dictionary, explainer=explainer, **OPTIONS).fit(acts)
    for j, explanation in enumerate(found.explanations_):
        expected = explained(explainer, acts, rows["explain"] | rows["select"], j)
        assert same(explanation, expected, acts)


@pytest.mark.parametrize("explainer", [NGramExplainer(), EXPLAINERS])
def test_single_tokens_to_compare_with_are_of_both_parts(planted, rows, explainer):
    acts, dictionary = planted
    found = FeatureInterpreter(dictionary, explainer=explainer, **OPTIONS).fit(acts)
    by_tokens = EXPLAINERS[0] if explainer is EXPLAINERS else LexiconExplainer()
    for j, explanation in enumerate(found._found.lexicon):
        expected = explained(by_tokens, acts, rows["explain"] | rows["select"], j)
        assert same(explanation, expected, acts)


def test_firings_and_status_are_of_the_first_part(planted, rows):
    acts, _ = planted
    codes = np.asarray(acts).copy()
    # Fires often enough where explanations are selected and tested, but never in the first part.
    codes[:, 5] = (TABLE[2] == 9) & ~rows["explain"]
    changed, dictionary = as_activations(codes, *TABLE)
    found = FeatureInterpreter(dictionary, **OPTIONS).fit(changed)
    assert found.status_[5] == "dead" and found.counts_["n_dead"] == 1
    expected = (codes[rows["explain"]] > 0).sum(axis=0)
    assert np.array_equal(found._found.n_firings, expected)


def nothing(request):
    return '{"levels": [0]}'


def explanations_by(calibration, acts, dictionary):
    """Return explanations that a simulator tests."""
    simulator = LLMSimulator(
        nothing, method="json", n_attempts=1, control=False, calibration=calibration
    )
    options = {"simulator": simulator, "sampling": "top", "window": 10, **OPTIONS}
    found = FeatureInterpreter(dictionary, explainer=NGramExplainer(), **options).fit(acts)
    return found._found.explanations, found._found.lexicon


def judged_by(judge, explainer, acts, dictionary):
    """Return explanations that a judge tests."""
    scorer = DetectionScorer(judge, explainer=explainer, window=10, control=False, sign="positive")
    return scorer._judged(dictionary, acts)[1].explanations


STUDIES = {
    "rules": (
        True,
        lambda *data: FeatureInterpreter(data[1], **OPTIONS).fit(data[0]).explanations_,
    ),
    "simulator": (True, lambda *data: explanations_by(None, *data)),
    "calibrated simulator": (False, lambda *data: explanations_by("linear", *data)),
    "judge": (True, lambda *data: judged_by(EmbeddingJudge(), NGramExplainer(), *data)),
    "fitted judge": (False, lambda *data: judged_by(None, NGramExplainer(), *data)),
}


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("part", ["select", "test"])
def test_documents_that_a_test_uses_are_not_written_from(planted, rows, study, part):
    acts, dictionary = planted
    codes = np.asarray(acts).copy()
    codes[rows[part]] = codes[rows[part]][::-1]
    changed, _ = as_activations(codes, *TABLE)
    from_both, run = STUDIES[study]
    written_from = part == "select" and from_both
    assert (run(changed, dictionary) == run(acts, dictionary)) is not written_from


def test_a_fitted_judge_gets_the_selected_explanations_of_the_first_part(planted, rows):
    acts, dictionary = planted
    found = judged_by(None, EXPLAINERS, acts, dictionary)
    for j in range(5):
        expected = explained(EXPLAINERS[winner(acts, rows, j)], acts, rows["explain"], j)
        assert same(found[j], expected, acts)


class Noting:
    """An explainer that notes the codes it is shown, and returns their sums."""

    def explain(self, codes, tokens):
        self.shown = codes.toarray()
        return [(self, total) for total in self.shown.sum(axis=0)]


def test_each_feature_is_written_by_its_own_explainer_alone():
    codes = scipy.sparse.csc_array(np.arange(20).reshape(4, 5))
    one, idle, other = Noting(), Noting(), Noting()
    found = write([one, idle, other], np.array([2, 0, 2, 0, 2]), codes, None)
    assert found == [(other, 30), (one, 34), (other, 38), (one, 42), (other, 46)]
    assert np.array_equal(one.shown, codes.toarray()[:, [1, 3]])
    assert not hasattr(idle, "shown")


def test_blocks_are_compared_together(planted, rows):
    acts, _ = planted
    block = TokenBlock.of(acts)[rows["select"]]
    codes = scipy.sparse.csr_array(np.asarray(acts)[rows["select"]])
    features = np.array([4, 1, 2])
    candidates = [
        [explained(explainer, acts, rows["explain"], j) for j in features]
        for explainer in EXPLAINERS
    ]
    cut = int(np.flatnonzero(np.diff(block.documents))[5]) + 1
    parts = [(codes[s], block[s]) for s in (slice(0, cut), slice(cut, None))]
    found = best_explainers(candidates, parts, features)
    assert found.tolist() == [winner(acts, rows, j) for j in features]


class Counting(LexiconExplainer):
    """A lexicon that counts how often it writes."""

    n_calls = 0

    def explain(self, codes, tokens):
        self.n_calls += 1
        return super().explain(codes, tokens)


def test_nothing_is_written_twice_from_the_same_text(planted):
    acts, dictionary = planted
    explainers = [Counting(2), Counting(5)]
    judged_by(None, explainers, acts, dictionary)
    assert [one.n_calls for one in explainers] == [1, 1]
    alone = Counting(2)
    judged_by(EmbeddingJudge(), alone, acts, dictionary)
    assert alone.n_calls == 1
