"""Scores by judges: known answers, what they notice, and how they fit the rest."""

import numpy as np
import pytest
from sklearn.base import clone

from skdict import IdentityDictionary, compare_dictionaries
from skdict.interpretation import (
    DetectionScorer,
    Explanation,
    FuzzingScorer,
    IntruderScorer,
    SimulatorJudge,
)
from skdict.interpretation._scores import shuffled_order
from skdict.interpretation.explainers import Term
from tests.interpretation.planted import as_activations, text

SMALL = {"sign": "positive", "n_positive": 20, "n_negative": 40, "window": 8}


class Said:
    """An explainer that says the same, of each feature what it is told to."""

    def __init__(self, tokens_of):
        self.tokens_of = tokens_of

    def explain(self, codes, tokens):
        return [
            Explanation(j, "said", 1, 1, "said", tuple((Term("suffix", (v,)), 1.0) for v in named))
            for j, named in enumerate(self.tokens_of)
        ]


class Always:
    def __init__(self, verdict):
        self.verdict = verdict

    def judge(self, explanation, windows):
        return np.full(len(windows), self.verdict)


@pytest.fixture(scope="module")
def words():
    """Six features, each one word of thirty."""
    table = text(300, 24, 30)
    return as_activations((table[2][:, None] == np.arange(6)).astype(float), *table)


@pytest.fixture(scope="module")
def rare():
    """Ten features that fire on one token in a thousand each: on two of 2,000 words."""
    table = text(4000, 32, 2000)
    codes = (table[2][:, None] // 2 == np.arange(10)).astype(float)
    return as_activations(codes, *table, vocabulary=[f" w{i}" for i in range(2000)])


def test_explanations_that_say_all_are_found_in_every_window(words):
    acts, dictionary = words
    for negatives in ("random", "hard"):
        options = SMALL | {"negatives": negatives, "metric": "balanced_accuracy"}
        assert DetectionScorer(**options)(dictionary, acts) == 1.0
        assert FuzzingScorer(**options)(dictionary, acts) == 1.0


def test_a_judge_that_always_says_yes_knows_nothing(words):
    acts, dictionary = words
    measures = DetectionScorer(Always(1.0), **SMALL).measure(dictionary, acts)
    assert measures["detection_balanced_accuracy"] == 0.5
    assert measures["detection_auroc"] == 0.5
    assert measures["detection_n_judged"] == 6
    # With twice as many silent windows as others, F1 of "yes" is 2 * (1/3) / (1 + 1/3).
    assert measures["detection_f1"] == pytest.approx(0.5)
    # As often as in the text: 1 - (29/30)**8 of all windows of eight tokens have the word.
    share = 1 - (29 / 30) ** 8
    assert measures["detection_corpus_f1"] == pytest.approx(2 * share / (1 + share), abs=0.03)


def test_verdicts_that_failed_are_counted(words):
    acts, dictionary = words
    measures = DetectionScorer(Always(np.nan), **SMALL).measure(dictionary, acts)
    assert np.isnan(measures["detection_corpus_f1"])
    assert measures["detection_n_judged"] == 0
    assert measures["detection_n_failed"] == 6 * 60
    measures = IntruderScorer(Always(np.nan), sign="positive", window=8).measure(dictionary, acts)
    assert measures["intruder_n_failed"] == 6 * 20


@pytest.mark.parametrize("named", [lambda j: [2 * j], lambda j: range(2 * j, 2 * j + 4)])
def test_wrong_labels_lower_every_score_weighted_to_the_corpus(rare, named):
    """Half of the labels missing, or as many again that are wrong, at a firing rate of 1e-3."""
    acts, dictionary = rare
    exact, perturbed = (
        DetectionScorer(explainer=Said([of(j) for j in range(10)]), n_negative=200).measure(
            dictionary, acts
        )
        for of in (lambda j: [2 * j, 2 * j + 1], named)
    )
    for name in ("corpus_f1", "corpus_average_precision", "corpus_correlation"):
        assert exact[f"detection_{name}"] > 0.99
        assert perturbed[f"detection_{name}"] < exact[f"detection_{name}"] - 0.1


def test_drawn_silent_windows_do_not_notice_too_much(rare):
    """What the documentation warns of: only scores weighted to the corpus fall."""
    acts, dictionary = rare
    explainer = Said([range(2 * j, 2 * j + 4) for j in range(10)])
    measures = DetectionScorer(explainer=explainer).measure(dictionary, acts)
    assert measures["detection_balanced_accuracy"] > 0.95
    assert FuzzingScorer(explainer=explainer)(dictionary, acts) > 0.95


def test_intruders(words):
    """Marked words are the same but for the intruder's; who knows nothing is right by chance."""
    acts, dictionary = words
    options = {"sign": "positive", "window": 8, "n_trials": 50}
    assert IntruderScorer(**options)(dictionary, acts) > 0.95

    class Guess:
        def __init__(self):
            self.rng = np.random.default_rng(0)

        def judge(self, explanation, windows):
            assert explanation is None
            return self.rng.random(len(windows))

    chance = IntruderScorer(Guess(), **options)(dictionary, acts)
    assert abs(chance - 1 / 5) < 4 * np.sqrt(0.2 * 0.8 / 300)
    assert IntruderScorer(Always(0.5), **options)(dictionary, acts) == 0


def test_the_place_of_the_intruder_is_drawn(words):
    acts, dictionary = words

    class First:
        def judge(self, explanation, windows):
            return np.arange(len(windows)) > 0

    score = IntruderScorer(First(), sign="positive", window=8, n_trials=50)(dictionary, acts)
    assert abs(score - 1 / 5) < 4 * np.sqrt(0.2 * 0.8 / 300)


def test_scores_do_not_depend_on_how_many_are_shown_at_a_time(words):
    acts, dictionary = words
    scores = [DetectionScorer(n_shown=n, **SMALL).measure(dictionary, acts) for n in (1, 7)]
    assert scores[0] == scores[1]


class Reads:
    """Say yes where a token named stands; marked, where any is."""

    def judge(self, explanation, windows):
        named = [term.value[0] for term, _ in explanation.terms]
        return np.array(
            [
                np.isin(w.token_ids if w.marked is None else w.token_ids[w.marked], named).any()
                for w in windows
            ],
            dtype=float,
        )


@pytest.mark.parametrize("scorer", [DetectionScorer, FuzzingScorer])
def test_the_control_is_the_score_of_explanations_exchanged(words, scorer):
    """The same number as where the explainer says of each feature what is true of another."""
    acts, dictionary = words
    other = shuffled_order(6, 0)
    own, exchanged = (
        scorer(Reads(), explainer=Said([[j] for j in said]), **SMALL).measure(dictionary, acts)
        for said in (range(6), other)
    )
    name = f"{scorer.task}_{scorer()._metric()}"
    assert sorted(other) == list(range(6)) and (other != np.arange(6)).all()
    assert own[name] == 1
    assert own[f"{scorer.task}_shuffled"] == exchanged[name] < 0.7


def test_without_two_features_there_is_no_control(words):
    acts, dictionary = words
    found = FuzzingScorer(n_features=1, **SMALL).measure(dictionary, acts)
    assert found["fuzzing_n_judged"] == 1 and np.isnan(found["fuzzing_shuffled"])
    found = FuzzingScorer(control=False, **SMALL).measure(dictionary, acts)
    assert "fuzzing_shuffled" not in found


def test_features_that_cannot_be_judged_are_left_out(words):
    acts, _ = words
    rows = np.asarray(acts).copy()
    rows[:, 1] = 0
    rows[:, 2] = 1
    changed, dictionary = as_activations(rows, acts.documents, acts.positions, acts.token_ids)
    found = DetectionScorer(**SMALL).measure_features(dictionary, changed)
    assert [m is not None for m in found] == [True, False, True, True, True]
    # A feature that is dead is not drawn; one that always fires has no silent window.
    assert DetectionScorer(**SMALL).measure(dictionary, changed)["detection_n_judged"] == 4


def test_all_three_in_one_comparison(words):
    acts, dictionary = words
    scorers = [
        DetectionScorer(**SMALL),
        FuzzingScorer(**SMALL),
        IntruderScorer(sign="positive", window=8),
    ]
    table = compare_dictionaries({"words": dictionary}, None, acts, scorers=scorers)
    assert table["words"]["detection_corpus_f1"] == 1
    assert table["words"]["fuzzing_balanced_accuracy_low"] == 1
    assert table["words"]["intruder_n_judged"] == 6
    # A word that is another's stands in a window by chance, and is hardly ever marked.
    for task in ("detection", "fuzzing"):
        assert table["words"][f"{task}_shuffled"] < 0.7


@pytest.mark.parametrize(
    ("scorer", "error", "message"),
    [
        (DetectionScorer(metric="accuracy"), ValueError, "metric='accuracy'"),
        (DetectionScorer(metric="corpus_f1", negatives="hard"), ValueError, "metric='corpus_f1'"),
        (FuzzingScorer(negatives="near"), ValueError, "negatives='near'"),
        (DetectionScorer(lambda: 1), TypeError, "it has no judge"),
        (DetectionScorer(n_positive=0), ValueError, "n_positive=0"),
        (IntruderScorer(n_shown=1), ValueError, "n_shown=1"),
        (IntruderScorer(n_trials=1.5), TypeError, "n_trials=1.5"),
        (FuzzingScorer(control="yes"), ValueError, "control='yes'"),
        (DetectionScorer(random_state=None), TypeError, "random_state=None"),
    ],
)
def test_wrong_parameters_are_refused(words, scorer, error, message):
    acts, dictionary = words
    with pytest.raises(error, match=message):
        scorer(dictionary, acts)


def test_free_words_need_a_judge_that_reads():
    said = Explanation(0, "llm", 0, 0, "words about cats", ())
    with pytest.raises(ValueError, match="free text"):
        SimulatorJudge().fit([said], None, None)


def test_parameters_survive_clones():
    scorer = IntruderScorer(Always(1.0), n_trials=3)
    assert clone(scorer).get_params()["n_trials"] == 3


def test_rows_must_know_their_tokens(words):
    rows = np.asarray(words[0])
    with pytest.raises(TypeError, match="pass Activations"):
        DetectionScorer()(IdentityDictionary().fit(rows), rows)
