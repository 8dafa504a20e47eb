"""What the scores by a judge share: documents, explanations, windows, and their summary."""

import warnings
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator

from skdict._validation import check_choice, check_number
from skdict.inspection import TokenBlock, split_documents
from skdict.inspection._keys import mix
from skdict.interpretation._client import Failure
from skdict.interpretation._codes import FeatureColumns
from skdict.interpretation._explanation import Explanation
from skdict.interpretation._feature_interpreter import check_tokens, make_engine
from skdict.interpretation._judge_windows import hardest, windows_and_prevalence
from skdict.interpretation._judges import SimulatorJudge
from skdict.interpretation._quantile_windows import N_QUANTILES, quantile_windows
from skdict.interpretation._scorer import InterpretabilityScorer
from skdict.interpretation._scores import bootstrap_interval
from skdict.metrics._scorer import split_rows

DELPHI = "delphi"
# Silent windows that hard ones are chosen from, for each one wanted.
HARD_POOL = 4
JUDGED = ("scored", "undefined")


@dataclass(eq=False)
class _Found:
    """What a judge is asked about: explanations, and windows of documents kept apart."""

    explanations: list
    status: np.ndarray
    records: list
    prevalence: np.ndarray
    judge: object
    failures: dict


class _ExplanationsAlone:
    """An explainer whose words nothing simulates: they are for the judge.

    Parameters
    ----------
    explainer : explainer
        Such as `LLMExplainer`.
    """

    def __init__(self, explainer):
        self._explainer = explainer
        self.failures = {}

    def explain(self, codes, tokens):
        """Return explanations, None where there is none; keep why."""
        found = self._explainer.explain(codes, tokens)
        self.failures = {j: said for j, said in enumerate(found) if isinstance(said, Failure)}
        return [said if isinstance(said, Explanation) else None for said in found]


class JudgeScorer(BaseEstimator):
    """The documents, explanations and windows that the three scorers share."""

    sampling = "random"

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
        return self.measure(estimator, X)[f"{self._prefix()}_{self.metric}"]

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
            Every name begins with the task. The interval is a 95 % bootstrap one over
            features. `n_judged` features were judged, `n_insufficient`
            fire in too few windows, `n_unexplained` have no explanation that
            could be read, `n_failed` windows got no verdict. What went wrong is in `failures_`:
            for each feature, in the order of `measure_features`, what could not be read of the
            last call, with the raw replies.

        Raises
        ------
        TypeError
            If the estimator is no dictionary, or the rows know no tokens.
        ValueError
            If a parameter is out of bounds, or there are fewer than three documents.
        """
        by_feature = [m for m in self.measure_features(estimator, X) if m is not None]
        names = self._names()
        means = {name: defined_mean([m[name] for m in by_feature]) for name in names}
        headline = np.array([m[self.metric] for m in by_feature])
        low, high = bootstrap_interval(headline[np.isfinite(headline)], self.random_state)
        means |= {f"{self.metric}_low": low, f"{self.metric}_high": high}
        means["n_judged"] = int(np.isfinite(headline).sum())
        means["n_insufficient"] = (
            len(self.failures_)
            - len(by_feature)
            - sum(any(failure.stage == "explain" for failure in own) for own in self.failures_)
        )
        means["n_unexplained"] = sum(
            any(failure.stage == "explain" for failure in own) for own in self.failures_
        )
        means["n_failed"] = sum(m["n_failed"] for m in by_feature)
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
        self._check()
        dictionary, rows = split_rows(estimator, X)
        found = self._find(FeatureColumns(dictionary, self.sign), check_tokens(rows))
        self.failures_ = [
            [found.failures[j]] if j in found.failures else [] for j in range(len(found.records))
        ]
        measures = []
        for j, own in enumerate(self.failures_):
            n_before = len(getattr(found.judge, "failures_", ()))
            measures.append(self._measure_one(found, j, rows.vocabulary))
            own += getattr(found.judge, "failures_", [])[n_before:]
        self._warn_if_nothing(measures)
        return measures

    def _warn_if_nothing(self, measures):
        """Say what happened where no feature got a score."""
        if any(m is not None and np.isfinite(m[self.metric]) for m in measures):
            return
        failures = [failure for own in self.failures_ for failure in own]
        why = "they fire in too few windows, or the judge gave no verdict"
        if failures:
            first = failures[0]
            why = (
                f"{sum(map(bool, self.failures_))} failed, the first to {first.stage}: "
                f"{first.reason}; the reply was {first.raw[:80]!r}"
            )
        warnings.warn(
            f"{self.task}: none of {len(measures)} features could be judged, so the score is nan: "
            f"{why}",
            stacklevel=4,
        )

    def _prefix(self):
        return f"{DELPHI}_{self.task}" if self.sampling == DELPHI else self.task

    def _find(self, columns, activations):
        if self.sampling == DELPHI:
            return self._find_quantiles(columns, activations)
        params = self._interpretability_scorer()
        engine = make_engine(params)
        made = engine.interpret(columns, activations)
        parts = split_documents(activations, seed=engine.seed)
        judge = self.judge
        if judge is None:
            judge = self._default_judge(columns, activations, parts["select"], made)
        records, prevalence = windows_and_prevalence(
            columns.blocks(activations, parts["test"], made.features),
            len(made.features),
            window=self.window,
            n_active=self.n_positive,
            n_silent=self.n_negative * (HARD_POOL if self.negatives == "hard" else 1),
            seed=engine.seed,
        )
        failures = getattr(params.explainer, "failures", {})
        return _Found(made.explanations, made.scores.status, records, prevalence, judge, failures)

    def _find_quantiles(self, columns, activations):
        """Explain and test on windows of every strength, as delphi does."""
        engine = make_engine(self._interpretability_scorer())
        features = engine.draw(columns.firing_counts(activations, None), columns)
        shown, records, prevalence = quantile_windows(
            lambda: columns.blocks(activations, None, features),
            len(features),
            window=self.window,
            n_test=self.n_positive,
            n_silent=self.n_negative * (HARD_POOL if self.negatives == "hard" else 1),
            seed=engine.seed,
        )
        asked = [j for j, own in enumerate(shown) if own]
        words = self.explainer.explain_records([shown[j] for j in asked], activations.vocabulary)
        made = dict(zip(asked, words, strict=True))
        failures = {j: said for j, said in made.items() if isinstance(said, Failure)}
        explanations = [None if j in failures else made.get(j) for j in range(len(features))]
        status = np.array(["scored" if said else "failed" for said in explanations])
        return _Found(explanations, status, records, prevalence, self.judge, failures)

    def _interpretability_scorer(self):
        explainer = self.explainer
        if hasattr(explainer, "explain_records"):
            explainer = _ExplanationsAlone(explainer)
        return InterpretabilityScorer(
            explainer=explainer,
            sign=self.sign,
            n_features=self.n_features,
            order=self.order,
            min_firings=self.min_firings,
            random_state=self.random_state,
        )

    def _default_judge(self, columns, activations, documents, made):
        parts = list(columns.blocks(activations, documents, made.features))
        codes = scipy.sparse.vstack([codes for codes, _ in parts], format="csc")
        table = [
            np.concatenate([getattr(block, name) for _, block in parts])
            for name in ("documents", "positions", "token_ids")
        ]
        tokens = TokenBlock(*table, activations.vocabulary)
        return SimulatorJudge().fit(made.explanations, codes, tokens)

    def _measure_one(self, found, j, vocabulary):
        records = found.records[j]
        if found.status[j] not in JUDGED or not records.random or not records.silent:
            return None
        seed = int(mix(self.random_state, 7, j) >> np.uint64(32))
        rng = np.random.default_rng(seed)
        return self._judge_feature(found, j, records, vocabulary, rng)

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
