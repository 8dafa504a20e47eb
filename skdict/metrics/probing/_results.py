"""Fit the probes of all problems, and summarise their balanced accuracies."""

from dataclasses import dataclass

import numpy as np

from skdict.metrics.probing._probe import Probe
from skdict.metrics.probing._selection import select_features, selected_codes
from skdict.metrics.probing._tallies import (
    finite_mean,
    interval,
    resampled_means,
    stratified_mean,
    tally,
    with_interval,
)

DENSE = "dense"


@dataclass(frozen=True, eq=False)
class Results:
    """Correct predictions of all probes, and bootstrap samples of their accuracies.

    Parameters
    ----------
    draws : list of Draw
        Problems with their samples.
    selected : ndarray of int, shape (n_problems, max(k))
        Selected features of each problem.
    hits : dict of int or str to ndarray of shape (n_problems, n_groups, 2, 2)
        Correct predictions and samples by group and class, for each k and the dense probe.
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
            resampled = finite_mean(self.resampled[k])
            found |= with_interval(f"probing_{k}", stratified_mean(hits).mean(), resampled)
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
            "balanced_accuracy": float(stratified_mean(self.hits[k][i])),
            "low": low,
            "high": high,
            "features": () if k == DENSE else tuple(self.selected[i, :k].tolist()),
            "base_rate": draw.problem.base_rate,
            "n_train": len(draw.train),
            "n_test": len(draw.test),
        }


def fit_probes(draws, encoded, groups, sizes, C, random_state, dense=None):
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
    dense : ndarray of shape (n_problems, n_groups, 2, 2) or None, default=None
        Counts of the dense probe on the same samples; None fits it.
    """
    selected = select_features(draws, encoded, max(sizes))
    columns = np.unique(selected)
    codes = selected_codes(encoded, columns)
    tested = np.unique(groups[np.concatenate([draw.test for draw in draws])])
    # Numbers of groups that are not tested have no meaning and are not used.
    groups = np.searchsorted(tested, groups)
    hits = {k: [] for k in ([*sizes, DENSE] if dense is None else sizes)}
    for draw, features in zip(draws, selected, strict=True):
        own = codes[:, np.searchsorted(columns, features)]
        for k, counts in hits.items():
            inputs = encoded.rows if k == DENSE else own[:, :k]
            right = _predictions(draw, inputs, per_column=k != DENSE, C=C)
            truth = draw.problem.targets[draw.test]
            counts.append(tally(right, truth, groups[draw.test], (len(tested), 2)))
    hits = {k: np.array(counts) for k, counts in hits.items()}
    hits.setdefault(DENSE, dense)
    resampled = resampled_means(np.concatenate(list(hits.values())), random_state)
    parts = np.split(resampled, len(hits), axis=1)
    return Results(draws, selected, hits, dict(zip(hits, parts, strict=True)))


def _predictions(draw, inputs, **options):
    """Fit a probe on the training samples; return whether it is right on each test sample."""
    truth = draw.problem.targets == 1
    probe = Probe(inputs[draw.train].astype(np.float64), truth[draw.train], **options)
    return (probe.scores(inputs[draw.test]) > 0) == truth[draw.test]
