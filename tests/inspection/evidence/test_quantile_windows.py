"""Windows of every strength, to explain and to test: against a slow reference; and delphi."""

import numpy as np
import pytest

from skdict import compare_dictionaries
from skdict.inspection import FeatureColumns
from skdict.inspection.evidence._quantile_windows import quantile_windows
from skdict.interpretation import DetectionScorer, delphi
from tests.interpretation.planted import as_activations, text
from tests.scripted import explain_and_judge


@pytest.fixture(scope="module")
def planted():
    """A word in most windows; a feature in 199 windows of 32 tokens; another word."""
    table = text(60, 256, 50)
    codes = np.zeros((60 * 256, 3))
    codes[:, 0] = (table[2] == 3) * np.random.default_rng(0).uniform(0.5, 1, len(codes))
    codes[np.arange(199) * 32, 1] = 1
    codes[:, 2] = table[2] == 5
    return as_activations(codes, *table)


def test_slices_of_equal_count_against_a_slow_reference(planted):
    acts, dictionary = planted
    columns = FeatureColumns(dictionary, "positive")
    explain, test, prevalence = quantile_windows(
        lambda: columns.blocks(acts), 3, window=32, n_test=50, n_silent=20, seed=0
    )
    assert [len(own) for own in explain] == [40, 0, 40]
    assert [len(own.random) for own in test] == [50, 0, 50]
    largest = np.asarray(acts)[:, 0].reshape(-1, 32).max(axis=1)
    fires = sorted(largest[largest > 0], reverse=True)
    size = len(fires) // 10
    for records, n in ((explain[0], 4), (test[0].random, 5)):
        for q in range(10):
            for record in records[q * n : (q + 1) * n]:
                assert fires[q * size] >= record.codes.max() >= fires[(q + 1) * size - 1]
                rows = (acts.documents == record.document) & (
                    acts.positions // 32 * 32 == record.position
                )
                assert np.array_equal(record.token_ids, acts.token_ids[rows])
    places = [(r.document, r.position) for r in [*explain[0], *test[0].random]]
    assert len(set(places)) == 90
    assert all(largest[r.document * 8 + r.position // 32] == 0 for r in test[0].silent)
    assert prevalence == pytest.approx([len(fires) / 480, 199 / 480, prevalence[2]])


def test_delphi_of_a_perfect_judge_and_of_a_constant_one(planted):
    acts, dictionary = planted

    def yes(request):
        return f'{{"answers": {[1] * request.messages[-1][1].count(chr(10))}}}'

    for judge, score, f1 in ((explain_and_judge, 1, 1), (yes, 0.5, None)):
        made = delphi(explain_and_judge, judge_client=judge)
        scorers = [scorer.set_params(sign="positive") for scorer in made]
        table = compare_dictionaries({"words": dictionary}, None, acts, scorers=scorers)["words"]
        for task in ("detection", "fuzzing"):
            assert table[f"delphi_{task}_balanced_accuracy"] == score
            assert table[f"delphi_{task}_n_judged"] == 2
            assert table[f"delphi_{task}_n_insufficient"] == 1
            assert f1 is None or table[f"delphi_{task}_f1"] == f1


def test_delphi_needs_free_words(planted):
    acts, dictionary = planted
    with pytest.raises(ValueError, match=r"or delphi\(client\)"):
        DetectionScorer(sampling="delphi")(dictionary, acts)
