"""Base class of the judge-based scorers: it splits, explains, samples windows and summarises."""

import warnings
from functools import partial

import numpy as np
from sklearn.base import BaseEstimator

from skdict._validation import check_choice, check_number
from skdict.inspection import FeatureColumns, check_activations
from skdict.inspection.evidence import (
    N_QUANTILES,
    DocumentParts,
    FeatureDraw,
    hardest,
    split_quantiles,
)
from skdict.interpretation._scores import Status, bootstrap_interval, defined_mean
from skdict.interpretation._study import (
    Study,
    check_features,
    draw_seed,
    explainers_of,
)
from skdict.interpretation.judges._judge_test import JudgeTest
from skdict.interpretation.judges._simulator_judge import SimulatorJudge
from skdict.interpretation.strategies import check_strategy, writes_free_text
from skdict.metrics import split_rows

DELPHI = "delphi"
# Candidates per requested hard negative, from which the most similar windows are chosen.
HARD_POOL = 4
# Name of the count of features with each status.
COUNTS = {
    Status.INSUFFICIENT: "n_insufficient",
    Status.FAILED: "n_unexplained",
    Status.STOPPED: "n_stopped",
}


class JudgeScorer(BaseEstimator):
    """Base class of the three judge-based scorers."""

    sampling = "random"
    # If False, no explanations are written. `fewest` is the number of firing windows required.
    explains = True
    fewest = 1

    def __call__(self, estimator, X, y=None):
        """Return the mean of `metric` over the features of a dictionary.

        Parameters
        ----------
        estimator : estimator
            Fitted dictionary, or a Pipeline that ends in one and may start from texts.
        X : Activations of shape (n_tokens, n_features), or input of the Pipeline
            Activations of at least three documents, or texts or activations for the Pipeline.
        y : None
            Ignored.

        Returns
        -------
        float
            Mean of `metric`; nan if no feature can be judged.

        Raises
        ------
        TypeError
            If `estimator` is not a dictionary, or the rows have no token information.
        ValueError
            If a parameter is out of range, or there are fewer than three documents.
        """
        return defined_mean(self._judged(estimator, X)[1].results.score)

    def measure(self, estimator, X):
        """Return the means of all measures, the confidence interval of `metric` and the counts.

        Parameters
        ----------
        estimator : estimator
            Fitted dictionary, or a Pipeline that ends in one and may start from texts.
        X : Activations of shape (n_tokens, n_features), or input of the Pipeline
            Activations of at least three documents, or texts or activations for the Pipeline.

        Returns
        -------
        dict of str to float
            Measures by name; every name starts with the task. `median` and the 95 % bootstrap
            confidence interval are those of `metric` over features. `shuffled` is the mean of
            `metric` for the shuffled-explanation control, nan if fewer than two features were
            judged. The other entries are counts: `n_judged` features judged; `n_insufficient`
            features that fire on too few tokens or in too few windows and were not sent to the
            judge; `n_unexplained` features without a readable explanation; `n_stopped` features
            not finished when the budget was spent; `n_dead` components of the dictionary that
            never fire; `n_failed` windows without a verdict. `failures_` lists the failures of
            the last call with the raw replies, for each feature in the order of
            `measure_features`.

        Raises
        ------
        TypeError
            If `estimator` is not a dictionary, or the rows have no token information.
        ValueError
            If a parameter is out of range, or there are fewer than three documents.
        """
        test, found = self._judged(estimator, X)
        judged = [m for m in found.results.measures if m is not None]
        means = {name: defined_mean([m[name] for m in judged]) for name in self._names()}
        headline = found.results.score
        headline = headline[np.isfinite(headline)]
        low, high = bootstrap_interval(headline, self.random_state)
        metric = self._metric()
        means |= {f"{metric}_low": low, f"{metric}_high": high}
        means["median"] = float(np.median(headline)) if len(headline) else np.nan
        if self.control:
            means["shuffled"] = test.shuffled(found.results, found)
            self._keep_failures(found)
        means["n_judged"] = len(headline)
        means |= {name: int((found.status == status).sum()) for status, name in COUNTS.items()}
        means["n_dead"] = found.n_dead
        means["n_failed"] = sum(m["n_failed"] for m in judged)
        return {f"{self._prefix()}_{name}": value for name, value in means.items()}

    def measure_features(self, estimator, X):
        """Return the measures of each sampled feature, None if it cannot be judged.

        Parameters
        ----------
        estimator : estimator
            Fitted dictionary, or a Pipeline that ends in one and may start from texts.
        X : Activations of shape (n_tokens, n_features), or input of the Pipeline
            Activations of at least three documents, or texts or activations for the Pipeline.

        Returns
        -------
        list of dict or None
            Measures by name, in the order of `FeatureInterpreter.features_` for equal parameters.

        Raises
        ------
        TypeError
            If `estimator` is not a dictionary, or the rows have no token information.
        ValueError
            If a parameter is out of range, or there are fewer than three documents.
        """
        return self._judged(estimator, X)[1].results.measures

    def _judged(self, estimator, X):
        """Run the study and return its test and findings."""
        self._check()
        test = JudgeTest(self, draw_seed(self.random_state))
        explainers = explainers_of(self.explainer) if self.explains else []
        study = Study(self._split(test.seed), explainers, test, min_firings=self._fewest_firings())
        dictionary, rows = split_rows(estimator, X)
        found = study.run(FeatureColumns(dictionary, self.sign), check_activations(rows, "X"))
        self._keep_failures(found)
        self._warn(found)
        return test, found

    def _split(self, seed):
        """Return the function that splits documents or windows."""
        draw = FeatureDraw(self.n_features, self.order, seed)
        if self.sampling != DELPHI:
            return partial(DocumentParts.split, draw=draw)
        options = self._silent_windows() | {"n_test": self.n_positive}
        return partial(split_quantiles, draw=draw, **options)

    def _silent_windows(self):
        """Return the options for sampling windows in which the feature does not fire."""
        pool = HARD_POOL if self.negatives == "hard" else 1
        return {"n_silent": pool * self.n_negative, "window": self.window}

    def _fewest_firings(self):
        """Return the minimum number of tokens on which a feature must fire to be explained."""
        return 1 if self.sampling == DELPHI else self.min_firings

    def _metric(self):
        """Return the name of the measure that a call returns."""
        return self._default_metric if self.metric == "auto" else self.metric

    def _keep_failures(self, found):
        judging = found.results.attempts.failures
        self.failures_ = [
            [e for e in found.attempts.failures.get(j, []) if e.stage == "explain"]
            + judging.get(j, [])
            for j in range(len(found.features))
        ]

    def _warn(self, found):
        """Warn if features have no score."""
        n_features, n_stopped = len(found.features), int((found.status == Status.STOPPED).sum())
        if not np.isfinite(found.results.score).any():
            message = self._why_nothing(n_features)
        elif n_stopped:
            message = (
                f"the budget was spent before {n_stopped} of {n_features} features were done; "
                f"raise max_calls or max_tokens and measure again with the same cache_dir, so "
                f"that no reply is paid for twice"
            )
        else:
            return
        warnings.warn(f"{self.task}: {message}", stacklevel=4)

    def _why_nothing(self, n_features):
        failures = [failure for own in self.failures_ for failure in own]
        why = "they fire in too few windows, or the judge returned no verdict"
        if failures:
            first = failures[0]
            why = (
                f"{sum(map(bool, self.failures_))} failed, the first to {first.stage}: "
                f"{first.reason}; the reply was {first.raw[:80]!r}"
            )
        return f"none of {n_features} features could be judged, so the score is nan: {why}"

    def _prefix(self):
        return f"{DELPHI}_{self.task}" if self.sampling == DELPHI else self.task

    def _default_judge(self, evidence, explanations, asked):
        """Return the default judge, fitted on documents to select on, without those to test on."""
        codes, tokens = evidence.codes("select")
        return SimulatorJudge().fit(explanations, codes[:, asked], tokens)

    def _negatives(self, records):
        """Return the non-firing windows to show, either random or hard."""
        if self.negatives == "random":
            return records.silent[: self.n_negative]
        return hardest(records.silent, records.random, self.n_negative)

    def _check(self):
        check_choice("negatives", self.negatives, ("random", "hard"))
        check_choice("metric", self.metric, ("auto", *self._names()))
        check_choice("sampling", self.sampling, ("random", DELPHI))
        for name in ("n_positive", "n_negative", "n_shown"):
            check_number(name, getattr(self, name), low=1, integer=True)
        check_choice("control", self.control, (True, False))
        check_number("random_state", self.random_state, low=0, integer=True)
        check_features(self)
        if self.judge is not None:
            check_strategy("judge", self.judge)
        elif writes_free_text(self.explainer):
            raise ValueError(
                f"explainer={self.explainer!r} writes free text without rules, but judge=None "
                f"needs rules; pass judge=LLMJudge(client) or EmbeddingJudge(encoder)"
            )
        if self.sampling == DELPHI:
            self._check_delphi()

    def _check_delphi(self):
        if not writes_free_text(self.explainer) or self.n_positive % N_QUANTILES:
            raise ValueError(
                f"explainer={self.explainer!r} with n_positive={self.n_positive} is not accepted "
                f'with sampling="delphi"; pass explainer=LLMExplainer(client) and a multiple of '
                f"{N_QUANTILES}, or delphi(client)"
            )
