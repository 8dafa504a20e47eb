"""What the scores by a judge share: documents, explanations, windows, and their summary."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator

from skdict._llm import Failure, check_parts
from skdict._validation import check_choice, check_number
from skdict.inspection import FeatureColumns
from skdict.inspection.evidence import N_QUANTILES, hardest, mix
from skdict.interpretation._engine import gather
from skdict.interpretation._feature_interpreter import check_tokens
from skdict.interpretation._scores import bootstrap_interval, shuffled_order
from skdict.interpretation.judges._cases import DELPHI, find_cases
from skdict.interpretation.judges._judges import SimulatorJudge
from skdict.metrics import split_rows

# How a count is called, by what became of the features.
COUNTS = {"insufficient": "n_insufficient", "failed": "n_unexplained", "stopped": "n_stopped"}


class JudgeScorer(BaseEstimator):
    """The documents, explanations and windows that the three scorers share."""

    sampling = "random"
    # Whether there are explanations to judge by, and the windows with a feature that it takes.
    explains = True
    fewest = 1

    def __call__(self, estimator, X, y=None):
        """Return the mean of `metric` over the features of a dictionary.

        Parameters
        ----------
        estimator : estimator
            A fitted dictionary, or a Pipeline that ends in one and may begin with texts.
        X : Activations of shape (n_tokens, n_features), or what the Pipeline takes
            Of at least three documents.
        y : None
            Ignored.

        Returns
        -------
        float
            nan where no feature could be judged.

        Raises
        ------
        TypeError
            If the estimator is no dictionary, or the rows know no tokens.
        ValueError
            If a parameter is out of bounds, or there are fewer than three documents.
        """
        _, measures = self._measured(estimator, X)
        return defined_mean([m[self.metric] for m in measures if m is not None])

    def measure(self, estimator, X):
        """Return the means of all measures, the interval of `metric` and the counts.

        Parameters
        ----------
        estimator : estimator
            A fitted dictionary, or a Pipeline that ends in one and may begin with texts.
        X : Activations of shape (n_tokens, n_features), or what the Pipeline takes
            Of at least three documents.

        Returns
        -------
        dict of str to float
            Every name begins with the task. `median` and the 95 % bootstrap interval are those
            of `metric` over features; `shuffled` is its mean with explanations exchanged between
            features, nan where there are no two. `n_judged` features were judged;
            `n_insufficient` fire on too few tokens or in too few windows, and nobody was asked
            about them; `n_unexplained` have no explanation that could be read; `n_stopped` were
            not done when the budget was spent; `n_dead` components of the dictionary never fire.
            `n_failed` windows got no verdict. What went wrong is in `failures_`: for each
            feature, in the order of `measure_features`, what could not be read in the last
            call, with the raw replies.

        Raises
        ------
        TypeError
            If the estimator is no dictionary, or the rows know no tokens.
        ValueError
            If a parameter is out of bounds, or there are fewer than three documents.
        """
        cases, measures = self._measured(estimator, X)
        judged = [m for m in measures if m is not None]
        means = {name: defined_mean([m[name] for m in judged]) for name in self._names()}
        headline = np.array([m[self.metric] for m in judged])
        headline = headline[np.isfinite(headline)]
        low, high = bootstrap_interval(headline, self.random_state)
        means |= {f"{self.metric}_low": low, f"{self.metric}_high": high}
        means["median"] = float(np.median(headline)) if len(headline) else np.nan
        if self.control:
            means["shuffled"] = self._shuffled(cases)
        means["n_judged"] = len(headline)
        means |= {name: int((cases.status == status).sum()) for status, name in COUNTS.items()}
        means["n_dead"] = cases.n_dead
        means["n_failed"] = sum(m["n_failed"] for m in judged)
        return {f"{self._prefix()}_{name}": value for name, value in means.items()}

    def measure_features(self, estimator, X):
        """Return the measures of each feature drawn, None where it cannot be judged.

        Parameters
        ----------
        estimator : estimator
            A fitted dictionary, or a Pipeline that ends in one and may begin with texts.
        X : Activations of shape (n_tokens, n_features), or what the Pipeline takes
            Of at least three documents.

        Returns
        -------
        list of dict or None
            In the order of `FeatureInterpreter.features_` under equal parameters.

        Raises
        ------
        TypeError
            If the estimator is no dictionary, or the rows know no tokens.
        ValueError
            If a parameter is out of bounds, or there are fewer than three documents.
        """
        return self._measured(estimator, X)[1]

    def _measured(self, estimator, X):
        """Return what was asked about, and the measures of each feature or None."""
        self._check()
        dictionary, rows = split_rows(estimator, X)
        cases = find_cases(self, FeatureColumns(dictionary, self.sign), check_tokens(rows))
        self.failures_ = [[e] if isinstance(e, Failure) else [] for e in cases.explanations]
        measures = [
            self._measure_one(cases, j) if status == "judged" else None
            for j, status in enumerate(cases.status)
        ]
        self._warn(measures, cases.status)
        return cases, measures

    def _measure_one(self, cases, j):
        measures = self._ask(cases, j, cases.explanations[j])
        if measures is None:
            cases.status[j] = "stopped"
        return measures

    def _shuffled(self, cases):
        """Return the mean of `metric` where each feature is judged by another's explanation."""
        judged = np.flatnonzero(cases.status == "judged")
        if len(judged) < 2:
            return np.nan
        other = judged[shuffled_order(len(judged), self.random_state)]
        pairs = zip(judged, other, strict=True)
        measures = [self._ask(cases, j, cases.explanations[o]) for j, o in pairs]
        return defined_mean([m[self.metric] for m in measures if m is not None])

    def _ask(self, cases, j, explanation):
        """Return what the verdicts are worth, the same windows each time; None if stopped."""
        n_before = len(getattr(cases.judge, "failures_", ()))
        rng = np.random.default_rng(int(mix(self.random_state, 10, j) >> np.uint64(32)))
        measures = self._judge_feature(cases, j, explanation, rng)
        failures = getattr(cases.judge, "failures_", [])[n_before:]
        self.failures_[j] += failures
        return None if any(failure.stopped for failure in failures) else measures

    def _warn(self, measures, status):
        """Say what happened where features got no score."""
        n_stopped = int((status == "stopped").sum())
        if not any(m is not None and np.isfinite(m[self.metric]) for m in measures):
            message = self._why_nothing(len(measures))
        elif n_stopped:
            message = (
                f"the budget was spent before {n_stopped} of {len(measures)} features were done; "
                f"allow more and measure again, with the same cache_dir nothing is paid twice"
            )
        else:
            return
        warnings.warn(f"{self.task}: {message}", stacklevel=4)

    def _why_nothing(self, n_features):
        failures = [failure for own in self.failures_ for failure in own]
        why = "they fire in too few windows, or the judge gave no verdict"
        if failures:
            first = failures[0]
            why = (
                f"{sum(map(bool, self.failures_))} failed, the first to {first.stage}: "
                f"{first.reason}; the reply was {first.raw[:80]!r}"
            )
        return f"none of {n_features} features could be judged, so the score is nan: {why}"

    def _prefix(self):
        return f"{DELPHI}_{self.task}" if self.sampling == DELPHI else self.task

    def _default_judge(self, columns, activations, documents, features, explanations):
        """Return the judge of who gives none, fitted on documents that nobody is asked about."""
        return SimulatorJudge().fit(
            explanations, *gather(columns, activations, documents, features)
        )

    def _negatives(self, records):
        """Return the silent windows to show, drawn or like those with the feature."""
        if self.negatives == "random":
            return records.silent[: self.n_negative]
        return hardest(records.silent, records.random, self.n_negative)

    def _check(self):
        check_choice("negatives", self.negatives, ("random", "hard"))
        check_choice("metric", self.metric, self._names())
        check_choice("sampling", self.sampling, ("random", DELPHI))
        for name in ("n_positive", "n_negative", "n_shown"):
            check_number(name, getattr(self, name), low=1, integer=True)
        check_choice("control", self.control, (True, False))
        check_number("random_state", self.random_state, low=0, integer=True)
        if self.judge is None and hasattr(self.explainer, "explain_records"):
            raise ValueError(
                f"explainer={self.explainer!r} writes free words, which stand for no rules, and "
                f"judge=None reads rules; pass judge=LLMJudge(client) or EmbeddingJudge(encoder)"
            )
        if self.sampling == DELPHI:
            self._check_delphi()
        if self.judge is not None and not hasattr(self.judge, "judge"):
            raise TypeError(
                f"judge={self.judge!r} is not accepted: pass an object with the method "
                f"judge(explanation, windows), such as EmbeddingJudge(), or None"
            )

        check_parts(self.explainer, self.judge)

    def _check_delphi(self):
        if not hasattr(self.explainer, "explain_records") or self.n_positive % N_QUANTILES:
            raise ValueError(
                f"explainer={self.explainer!r} with n_positive={self.n_positive} is not accepted "
                f'with sampling="delphi"; pass explainer=LLMExplainer(client) and a multiple of '
                f"{N_QUANTILES}, or delphi(client)"
            )


def defined_mean(values):
    """Return the mean of the values that are defined, nan where there is none."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else np.nan
