"""Selection, splits and intervals agree with independent answers."""

import numpy as np
import pytest
from scipy.stats import ortho_group
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdict.metrics.probing import Probe, resampled_means, stratified_mean, tally
from skdict.metrics.probing._problems import Problem
from skdict.metrics.probing._sampling import Draw, draw_samples
from skdict.metrics.probing._selection import select_features
from skdict.metrics.probing._tallies import interval


class Codes:
    """Codes in two blocks."""

    def __init__(self, codes):
        self.codes = self.rows = codes
        self.n_components = codes.shape[1]

    def blocks(self):
        half = len(self.codes) // 2
        yield 0, self.codes[:half]
        yield half, self.codes[half:]


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1], 300)
    codes = rng.standard_normal((600, 30)) * rng.uniform(0.1, 10, 30) + rng.uniform(-9, 9, 30)
    codes += np.outer(targets, rng.standard_normal(30))
    order = rng.permutation(600)
    return Problem.of("x", targets[order] == 1, np.ones(600, dtype=bool)), codes[order]


def test_features_are_ranked_as_by_the_f_test(problem):
    problem, codes = problem
    balanced = Draw(problem, np.arange(600), np.arange(0))
    selected = select_features([balanced, balanced], Codes(codes), 30)
    by_f = np.argsort(-f_classif(codes, problem.targets)[0])
    assert (selected == by_f).all()


def test_constant_features_come_last(problem):
    problem, codes = problem
    codes[:, 0] = 1e6 + 0.1
    codes[:, 1] = 0
    selected = select_features([Draw(problem, np.arange(600), np.arange(0))], Codes(codes), 30)
    assert set(selected[0, -2:]) == {0, 1}


def test_base_rate_does_not_change_the_ranking(problem):
    problem, codes = problem
    rare = np.concatenate([np.flatnonzero(problem.targets == 0)] * 9 + [np.arange(600)])
    # The same two distributions, one of them ten times as frequent.
    many = Problem.of("x", problem.targets[rare] == 1, np.ones(len(rare), dtype=bool))
    few, all_ = (
        select_features([Draw(p, np.arange(len(c)), np.arange(0))], Codes(c), 30)
        for p, c in ((problem, codes), (many, codes[rare]))
    )
    assert (few == all_).all()


def test_probes_and_tallies_give_the_balanced_accuracy_of_sklearn(problem):
    problem, codes = problem
    train, test = np.arange(0, 400), np.arange(400, 600)
    codes, truth = codes[:, :4], problem.targets == 1
    codes[:, 3] = 7
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.5, class_weight="balanced"))
    expected = pipeline.fit(codes[train], truth[train]).predict(codes[test])
    probe = Probe(codes[train], truth[train], per_column=True, C=0.5)
    np.testing.assert_allclose(
        probe.scores(codes[test]), pipeline.decision_function(codes[test]), atol=1e-4
    )
    right = (probe.scores(codes[test]) > 0) == truth[test]
    tallies = tally(right, truth[test].astype(int), np.arange(200) % 7, (7, 2))
    assert stratified_mean(tallies) == pytest.approx(balanced_accuracy_score(truth[test], expected))
    assert tallies[..., 1].sum() == 200


def test_a_rotation_of_the_rows_rotates_the_probe(problem):
    problem, codes = problem
    turn = ortho_group.rvs(30, random_state=0)
    truth = problem.targets == 1
    plain, turned = Probe(codes, truth), Probe(codes @ turn, truth)
    np.testing.assert_allclose(turned.weights, plain.weights @ turn, atol=1e-3)
    assert turned.intercept == pytest.approx(plain.intercept, abs=1e-3)


def test_intervals_have_the_width_of_independent_groups():
    rng = np.random.default_rng(0)
    targets, correct = np.arange(2000) % 2, rng.random(2000) < 0.8
    tallies = tally(correct, targets, np.arange(2000), (2000, 2))[None]
    low, high = interval(resampled_means(tallies, np.random.RandomState(0))[:, 0])
    # Two recalls of 1,000 samples each.
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.16 / 1000 / 2), rel=0.1)
    assert low < stratified_mean(tallies)[0] < high
    # Ten samples in place of each one, all alike, tell nothing more.
    again = interval(resampled_means(10 * tallies, np.random.RandomState(0))[:, 0])
    assert again == pytest.approx((low, high))
    assert np.isnan(interval(np.full(5, np.nan))).all()


def test_both_parts_have_samples_of_both_classes_and_no_common_group():
    rng = np.random.default_rng(0)
    groups = np.sort(rng.integers(0, 50, 3000))
    problems = [
        Problem.of("rare", rng.random(3000) < 0.05, np.ones(3000, dtype=bool)),
        Problem.of("half", rng.random(3000) < 0.5, rng.random(3000) < 0.9),
    ]
    options = {"test_size": 0.3, "max_samples": 400, "min_samples": 10}
    draws = draw_samples(problems, groups, **options, random_state=np.random.RandomState(0))
    for draw in draws:
        assert not set(groups[draw.train]) & set(groups[draw.test])
        for part in (draw.train, draw.test):
            counts = np.bincount(draw.problem.targets[part])
            assert len(counts) == 2
            assert 10 <= min(counts) <= max(counts) <= 200
    assert np.bincount(draws[1].problem.targets[draws[1].train]).tolist() == [200, 200]
    # Problems share the samples of their frequent class where they can.
    assert len(set(draws[0].train) & set(draws[1].train)) > 80
