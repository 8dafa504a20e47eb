"""Scores of explanations, the status of each feature, and summary measures."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from skdict.inspection.evidence import Stream, mix

N_RESAMPLES = 2000


class Status(StrEnum):
    """Outcome of explaining and scoring a feature."""

    SCORED = "scored"
    DEAD = "dead"
    INSUFFICIENT = "insufficient"
    FAILED = "failed"
    UNDEFINED = "undefined"
    STOPPED = "stopped"


def decide_status(score, n_firings, enough, failures):
    """Return the status of each feature.

    Parameters
    ----------
    score : ndarray of float, shape (n_features,)
        Scores; nan if undefined.
    n_firings : ndarray of int, shape (n_features,)
        Number of tokens in the explanation part on which each feature fires.
    enough : ndarray of bool, shape (n_features,)
        True for features with enough data to explain and to test.
    failures : dict of int to Failure
        First failure of each feature that failed, by index in the arrays.

    Returns
    -------
    ndarray of str, shape (n_features,)
        One of the values of `Status` for each feature.
    """
    status = np.full(len(score), Status.SCORED, dtype="<U12")
    status[np.isnan(score)] = Status.UNDEFINED
    for j, failure in failures.items():
        status[j] = Status.STOPPED if failure.stopped else Status.FAILED
    status[~enough] = Status.INSUFFICIENT
    status[n_firings == 0] = Status.DEAD
    return status


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of the explained features of a dictionary.

    Parameters
    ----------
    status : ndarray of str, shape (n_features,)
        Status of each feature.
    score, lexicon, shuffled : ndarray of float, shape (n_features,)
        Correlations achieved by the explanation, by single tokens, and by the explanation of
        another feature.
    n_dead : int
        Number of components that never fire, whether sampled or not.
    nan_policy : {"zero", "omit"}
        If "zero", undefined correlations count as 0 in means. If "omit", they are left out.
    seed : int
        Seed for the bootstrap.
    """

    status: np.ndarray
    score: np.ndarray
    lexicon: np.ndarray
    shuffled: np.ndarray
    n_dead: int
    nan_policy: str
    seed: int

    @property
    def counted(self):
        """Features included in the means, as a boolean mask."""
        kept = [Status.SCORED] + ([Status.UNDEFINED] if self.nan_policy == "zero" else [])
        return np.isin(self.status, kept)

    def summary(self):
        """Return the summary measures by name."""
        score, lexicon, shuffled = (
            np.nan_to_num(values[self.counted])
            for values in (self.score, self.lexicon, self.shuffled)
        )
        low, high = bootstrap_interval(score, self.seed)
        gain_low, gain_high = bootstrap_interval(score - lexicon, self.seed)
        return {
            "interpretability": defined_mean(score),
            "interpretability_low": low,
            "interpretability_high": high,
            "interpretability_median": float(np.median(score)) if len(score) else np.nan,
            "context_gain": defined_mean(score - lexicon),
            "context_gain_low": gain_low,
            "context_gain_high": gain_high,
            # nan rather than 0 if the control was not run.
            "shuffled": np.nan if np.isnan(self.shuffled).all() else defined_mean(shuffled),
            **self.counts(),
        }

    def counts(self):
        """Return the number of features with each status."""
        found = {f"n_{status}": int((self.status == status).sum()) for status in Status}
        return found | {"n_dead": self.n_dead}


def bootstrap_interval(values, seed, statistic=np.mean):
    """Return the 95 % percentile bootstrap interval of a statistic.

    Both bounds are nan if there are fewer than two values.
    """
    if len(values) < 2:
        return np.nan, np.nan
    generator = np.random.default_rng(seed)
    drawn = [statistic(generator.choice(values, len(values))) for _ in range(N_RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def shuffled_order(n_features, seed):
    """Return a permutation that assigns each feature another one, if there is another."""
    order = np.argsort(mix(seed, Stream.SHUFFLED_EXPLANATIONS, np.arange(n_features)))
    other = np.empty(n_features, dtype=np.int64)
    other[order] = np.roll(order, 1)
    return other


def n_dead_components(firing_counts, n_components):
    """Return the number of components that fire with neither sign."""
    return int((firing_counts.reshape(-1, n_components).sum(axis=0) == 0).sum())


def defined_mean(values):
    """Return the mean of the finite values, or nan if there are none."""
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else np.nan
