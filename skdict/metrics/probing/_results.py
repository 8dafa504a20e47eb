"""Fit the probes of all problems, and summarise their balanced accuracies."""

from dataclasses import dataclass

import numpy as np

from skdict.metrics.probing._hits import (
    balanced_accuracy,
    count_hits,
    finite_mean,
    interval,
    resampled_accuracies,
)
from skdict.metrics.probing._selection import select_features, selected_codes

DENSE = "dense"


@dataclass(frozen=True, eq=False)
class Results:
    """Counts of the hits of all probes, and bootstrap samples of their accuracies.

    Parameters
    ----------
    draws : list of Draw
        Problems with their samples.
    selected : ndarray of int, shape (n_problems, max(k))
        Selected features of each problem.
    hits : dict of int or str to ndarray of shape (n_problems, n_groups, 2, 2)
        Counts of `count_hits` by k, and of the dense probe.
    resampled : dict of int or str to ndarray of shape (n_resamples, n_problems)
        Balanced accuracies on bootstrap samples, which are the same for all probes.
    """

    draws: list
    selected: np.ndarray
    hits: dict
    resampled: dict

    def summary(self):
        """Return the means over problems with their intervals."""
        found = {}
        for k, hits in self.hits.items():
            low, high = interval(finite_mean(self.resampled[k]))
            mean = float(np.mean([balanced_accuracy(of_problem) for of_problem in hits]))
            name = f"probing_{k}"
            found |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        return found | {"n_probed": len(self.draws)}

    def records(self):
        """Return one record for each problem and k."""
        return [self._record(i, k) for i in range(len(self.draws)) for k in self.hits]

    def _record(self, i, k):
        draw = self.draws[i]
        low, high = interval(self.resampled[k][:, i])
        return {
            "label": draw.problem.name,
            "k": k,
            "balanced_accuracy": balanced_accuracy(self.hits[k][i]),
            "low": low,
            "high": high,
            "features": () if k == DENSE else tuple(self.selected[i, :k].tolist()),
            "base_rate": draw.problem.base_rate,
            "n_train": len(draw.train),
            "n_test": len(draw.test),
        }


def fit_probes(draws, encoded, groups, sizes, C, random_state):
    """Select features, fit all probes and return the `Results`.

    Parameters
    ----------
    draws : list of Draw
        Problems with their samples.
    encoded : EncodedRows or PooledDocuments
        Rows and codes of the samples.
    groups : ndarray of int, shape (n_samples,)
        Group of each sample.
    sizes : list of int
        Numbers of features to probe with.
    C : float
        Inverse strength of the L2 penalty.
    random_state : RandomState
        Source of the bootstrap samples.
    """
    selected = select_features(draws, encoded, max(sizes))
    columns = np.unique(selected)
    codes = selected_codes(encoded, columns)
    tested = np.unique(groups[np.concatenate([draw.test for draw in draws])])
    # Numbers of groups that are not tested have no meaning and are not used.
    groups = np.searchsorted(tested, groups)
    hits = {k: [] for k in [*sizes, DENSE]}
    for draw, features in zip(draws, selected, strict=True):
        own = codes[:, np.searchsorted(columns, features)]
        for k, counts in hits.items():
            inputs = encoded.rows if k == DENSE else own[:, :k]
            counts.append(count_hits(draw, inputs, groups, len(tested), C))
    hits = {k: np.array(counts) for k, counts in hits.items()}
    resampled = resampled_accuracies(np.concatenate(list(hits.values())), random_state)
    parts = np.split(resampled, len(hits), axis=1)
    return Results(draws, selected, hits, dict(zip(hits, parts, strict=True)))
