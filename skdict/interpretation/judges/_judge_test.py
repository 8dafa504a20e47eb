"""Test of explanations by the verdicts of a judge on windows."""

from dataclasses import dataclass, field
from functools import partial

import numpy as np

from skdict.inspection.evidence import Stream, mix, windows_and_prevalence
from skdict.interpretation._attempts import Attempts
from skdict.interpretation._scores import defined_mean, shuffled_order
from skdict.interpretation.judges._verdicts import ask_judge


@dataclass(frozen=True, eq=False)
class JudgeCases:
    """Windows of each feature to show to a judge.

    Parameters
    ----------
    records : list of FeatureRecords
        Windows in which the feature fires and in which it does not.
    prevalence : ndarray of float, shape (n_features,)
        Fraction of all windows in which each feature fires.
    vocabulary : sequence of str or None
        Readable text of each token.
    fewest : int
        Minimum number of windows in which a feature must fire.
    """

    records: list
    prevalence: np.ndarray
    vocabulary: object
    fewest: int

    @property
    def testable(self):
        """Features that have enough windows, as a boolean mask."""
        enough = [len(own.random) >= self.fewest and len(own.silent) > 0 for own in self.records]
        return np.array(enough, dtype=bool)


@dataclass(eq=False)
class Verdicts:
    """Verdicts on each feature, summarised by measures.

    Parameters
    ----------
    measures : list of dict or None
        Measures of each feature by name; None if it was not judged.
    score : ndarray of float, shape (n_features,)
        Headline measure of each feature.
    cases : JudgeCases
        Windows that were judged.
    judge : object
        Judge used; None if there was nothing to judge.
    attempts : Attempts
        Failures of the judge.
    """

    measures: list
    score: np.ndarray
    cases: JudgeCases
    judge: object
    attempts: Attempts = field(default_factory=Attempts)
    enough: bool = True


class JudgeTest:
    """Have a judge decide which windows fit an explanation, and measure how often it is right.

    Parameters
    ----------
    scorer : JudgeScorer
        Scorer whose parameters define the windows and the task.
    seed : int
        Seed for sampling windows.
    """

    explains_all = False

    def __init__(self, scorer, seed):
        self.scorer, self.seed = scorer, seed

    @property
    def calibrates(self):
        """True if the default judge is fitted on the documents to select on."""
        return self.scorer.judge is None

    def lexicon(self, evidence, asked, material, explainer):
        """Return no explanations by single tokens: judges do not compare with them."""
        return [None] * len(asked)

    def collect(self, evidence):
        """Return windows in which each feature fires and in which it does not."""
        scorer = self.scorer
        options = scorer._silent_windows() | {"n_active": scorer.n_positive, "seed": self.seed}
        found = evidence.windows("test", partial(windows_and_prevalence, **options))
        return JudgeCases(*found, evidence.vocabulary, scorer.fewest)

    def run(self, cases, found, evidence):
        """Return the verdicts on each feature."""
        explained = [explanation is not None for explanation in found.explanations]
        asked = [j for j in found.asked if explained[j] or not self.scorer.explains]
        judge = self.scorer.judge
        if judge is None and asked:
            explanations = [found.explanations[j] for j in asked]
            judge = self.scorer._default_judge(evidence, explanations, asked)
        n_features = len(found.features)
        verdicts = Verdicts([None] * n_features, np.full(n_features, np.nan), cases, judge)
        for j in asked:
            measures = self._measure(verdicts, j, found.explanations[j])
            if measures is None:
                found.attempts.add(j, verdicts.attempts.failures[j][-1])
            else:
                verdicts.measures[j] = measures
                verdicts.score[j] = measures[self.scorer._metric()]
        return verdicts

    def shuffled(self, verdicts, found):
        """Return the mean score of the shuffled-explanation control."""
        judged = np.flatnonzero([measures is not None for measures in verdicts.measures])
        if len(judged) < 2:
            return np.nan
        other = judged[shuffled_order(len(judged), self.scorer.random_state)]
        pairs = zip(judged, other, strict=True)
        measures = [self._measure(verdicts, j, found.explanations[o]) for j, o in pairs]
        return defined_mean([m[self.scorer._metric()] for m in measures if m is not None])

    def _measure(self, verdicts, j, explanation):
        """Return the measures of a feature, always on the same windows; None if stopped."""
        scorer, before = self.scorer, len(verdicts.attempts.failures.get(j, ()))
        drawn = mix(scorer.random_state, Stream.JUDGE, j)
        rng = np.random.default_rng(int(drawn >> np.uint64(32)))
        ask = partial(
            ask_judge,
            verdicts.judge,
            explanation,
            n_shown=scorer.n_shown,
            attempts=verdicts.attempts,
            feature=j,
        )
        measures = scorer._judge_feature(verdicts.cases, j, rng, ask)
        failures = verdicts.attempts.failures.get(j, [])[before:]
        return None if any(failure.stopped for failure in failures) else measures
