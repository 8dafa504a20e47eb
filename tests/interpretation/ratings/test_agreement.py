"""Agreement: Krippendorff's published table, scikit-learn, scipy, and planted truth."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from skdict.interpretation.ratings import agreement_with_scores, krippendorff_alpha

# Four observers and twelve units: Krippendorff (2011), example C.
PUBLISHED = [
    "1 2 3 3 2 1 4 1 2 * * *",
    "1 2 3 3 2 2 4 1 2 5 * 3",
    "* 3 3 3 2 3 4 2 2 5 1 *",
    "1 2 3 3 2 4 4 1 2 5 1 *",
]
TABLE = np.array([[float("nan" if c == "*" else c) for c in row.split()] for row in PUBLISHED])


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_krippendorffs_table(level, alpha):
    assert krippendorff_alpha(TABLE, level=level) == pytest.approx(alpha, abs=5e-4)


def test_alpha_knows_perfection_chance_and_opposition():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 4, 3000).astype(float)
    assert krippendorff_alpha([one, one, one]) == 1
    assert abs(krippendorff_alpha(rng.integers(0, 4, (3, 3000)), level="nominal")) < 0.03
    assert krippendorff_alpha([one, 3 - one], level="interval") < -0.9
    assert np.isnan(krippendorff_alpha([[1, 1], [1, 1]]))
    assert np.isnan(krippendorff_alpha([[1, np.nan], [np.nan, 2]]))


def test_alpha_does_not_change_with_order_of_raters_or_units_of_measure():
    rng = np.random.default_rng(0)
    expected = krippendorff_alpha(TABLE, level="interval")
    shuffled = TABLE[rng.permutation(4)][:, rng.permutation(12)]
    assert krippendorff_alpha(shuffled, level="interval") == pytest.approx(expected)
    assert krippendorff_alpha(3 - 2 * TABLE, level="interval") == pytest.approx(expected)
    stretched = np.where(TABLE > 3, TABLE * 7, TABLE)
    assert krippendorff_alpha(stretched) == pytest.approx(krippendorff_alpha(TABLE))


def test_correlations_are_those_of_scipy():
    rng = np.random.default_rng(0)
    ratings = rng.integers(0, 4, (3, 40)).astype(float)
    ratings[0, 5] = np.nan
    scores = rng.random(40) + 0.1 * np.nanmean(ratings, axis=0)
    found = agreement_with_scores(ratings, scores, n_resamples=20)
    means = np.nanmean(ratings, axis=0)
    assert found["spearman"] == pytest.approx(spearmanr(means, scores).statistic)
    assert found["kendall"] == pytest.approx(kendalltau(means, scores).statistic)
    assert found["spearman_low"] <= found["spearman"] <= found["spearman_high"]
    assert found["n_features"] == 40


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Ratings and scores of correlation 0.5 in ranks, 60 features: of 30 studies 28 or 29."""
    rng = np.random.default_rng(0)
    held = 0
    truth = 6 / np.pi * np.arcsin(0.5 / 2)
    for _ in range(30):
        quality = rng.standard_normal(60)
        score = 0.5 * quality + np.sqrt(0.75) * rng.standard_normal(60)
        found = agreement_with_scores(quality[None], score, n_resamples=80)
        held += found["spearman_low"] <= truth <= found["spearman_high"]
    assert held >= 24


def test_methods_alone_make_no_agreement_within_methods():
    """Two methods, one better in both ratings and scores, neither knowing its features."""
    rng = np.random.default_rng(0)
    groups = np.repeat(["sae", "pca"], 200)
    better = (groups == "sae") * 2.0
    ratings = better + rng.random((3, 400))
    found = agreement_with_scores(ratings, better + rng.random(400), groups=groups, n_resamples=100)
    assert found["spearman"] > 0.7
    assert abs(found["within_spearman"]) < 0.15
    assert found["within_spearman_low"] < 0 < found["within_spearman_high"]


def test_noise_of_people_is_allowed_for():
    rng = np.random.default_rng(0)
    quality = rng.standard_normal(500)
    ratings = quality + rng.standard_normal((2, 500))
    found = agreement_with_scores(ratings, quality, n_resamples=10)
    assert found["alpha"] == pytest.approx(0.5, abs=0.1)
    assert found["spearman_disattenuated"] > found["spearman"]
    one = agreement_with_scores(ratings[:1], quality, n_resamples=10)
    assert np.isnan(one["alpha"])
    assert np.isnan(one["spearman_disattenuated"])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: krippendorff_alpha([1, 2]), r"shape \(2,\)"),
        (lambda: krippendorff_alpha([[1, 2]], level="ratio"), "level='ratio'"),
        (lambda: agreement_with_scores([[1, 2]], [1]), "scores have shape"),
        (lambda: agreement_with_scores([[1, 2]], [1, 2]), "at least 3"),
        (lambda: agreement_with_scores([[1, 2, 3]], [1, 2, 3], groups=["a"]), "groups have shape"),
        (lambda: agreement_with_scores([[1, 2, 3]], [1, 2, 3], n_resamples=0), "n_resamples=0"),
    ],
)
def test_wrong_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
