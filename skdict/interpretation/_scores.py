"""Scores of explanations, what became of every feature, and their summary."""

from dataclasses import dataclass

import numpy as np

from skdict.inspection.evidence import mix

STATUSES = ("scored", "dead", "insufficient", "failed", "undefined", "stopped")
N_RESAMPLES = 2000


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of some features of a dictionary.

    Parameters
    ----------
    features : ndarray of int, shape (n_features,)
        Which features; numbers from `n_components` on are negative codes.
    status : ndarray of str, shape (n_features,)
        What became of each.
    score, lexicon, shuffled : ndarray of float, shape (n_features,)
        Correlation of the explanation, of the tokens alone, and of another feature's
        explanation.
    n_dead : int
        Components that never fire, whether or not they were drawn.
    nan_policy : {"zero", "omit"}
        Whether an undefined correlation counts as 0 in means.
    seed : int
        Of the resampling.
    """

    features: np.ndarray
    status: np.ndarray
    score: np.ndarray
    lexicon: np.ndarray
    shuffled: np.ndarray
    n_dead: int
    nan_policy: str
    seed: int

    @property
    def counted(self):
        """Which features are in the means."""
        kept = ("scored", "undefined") if self.nan_policy == "zero" else ("scored",)
        return np.isin(self.status, kept)

    def summary(self):
        """Return the measures of a report, by name."""
        score, lexicon, shuffled = (
            np.nan_to_num(values[self.counted])
            for values in (self.score, self.lexicon, self.shuffled)
        )
        low, high = bootstrap_interval(score, self.seed)
        gain_low, gain_high = bootstrap_interval(score - lexicon, self.seed)
        return {
            "interpretability": _mean(score),
            "interpretability_low": low,
            "interpretability_high": high,
            "interpretability_median": float(np.median(score)) if len(score) else np.nan,
            "context_gain": _mean(score - lexicon),
            "context_gain_low": gain_low,
            "context_gain_high": gain_high,
            # Without the control there are none, which is not 0.
            "shuffled": np.nan if np.isnan(self.shuffled).all() else _mean(shuffled),
            **self.counts(),
        }

    def counts(self):
        """Return how many features there are of each status."""
        found = {f"n_{status}": int((self.status == status).sum()) for status in STATUSES}
        return found | {"n_dead": self.n_dead}


def bootstrap_interval(values, seed, statistic=np.mean):
    """Return the 95 % percentile interval of a statistic, values drawn anew with replacement.

    Both bounds are nan for fewer than two values.
    """
    if len(values) < 2:
        return np.nan, np.nan
    generator = np.random.default_rng(seed)
    drawn = [statistic(generator.choice(values, len(values))) for _ in range(N_RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def shuffled_order(n_features, seed):
    """Return for each feature another one, or itself where there is no other."""
    order = np.argsort(mix(seed, 5, np.arange(n_features)))
    other = np.empty(n_features, dtype=np.int64)
    other[order] = np.roll(order, 1)
    return other


def _mean(values):
    return float(values.mean()) if len(values) else np.nan
