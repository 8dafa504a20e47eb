"""Balanced accuracy of probes, with bootstrap intervals over groups."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

N_RESAMPLES = 1000
RESAMPLES_AT_ONCE = 100


def count_hits(draw, features, groups, n_groups, C):
    """Fit a probe on the training samples and count its hits on the test samples by group.

    Parameters
    ----------
    draw : Draw
        Problem with its samples.
    features : ndarray of shape (n_samples, n_columns)
        Inputs of the probe.
    groups : ndarray of int, shape (n_samples,)
        Group of each sample, from 0 to `n_groups` - 1 for test samples.
    n_groups : int
        Number of groups in the test part.
    C : float
        Inverse of the strength of the L2 penalty.

    Returns
    -------
    ndarray of shape (n_groups, 2, 2)
        For each group and class, the number of correct predictions and of samples.
    """
    targets = draw.problem.targets
    probe = make_pipeline(
        StandardScaler(), LogisticRegression(C=C, class_weight="balanced", max_iter=1000)
    )
    probe.fit(features[draw.train].astype(np.float64), targets[draw.train])
    predicted = probe.predict(features[draw.test].astype(np.float64))
    truth = targets[draw.test]
    hits = np.zeros((n_groups, 2, 2))
    np.add.at(hits, (groups[draw.test], truth, 0), predicted == truth)
    np.add.at(hits, (groups[draw.test], truth, 1), 1)
    return hits


def balanced_accuracy(hits):
    """Return the balanced accuracy over all groups."""
    correct, total = hits.sum(axis=0).T
    return float((correct / total).mean())


def resampled_accuracies(hits, random_state):
    """Return the balanced accuracies of bootstrap samples of the groups.

    Parameters
    ----------
    hits : ndarray of shape (n_probes, n_groups, 2, 2)
        Counts of `count_hits` for probes tested on the same groups.
    random_state : RandomState
        Source of the bootstrap samples, which are the same for all probes.

    Returns
    -------
    ndarray of shape (n_resamples, n_probes)
        Balanced accuracies; nan where a bootstrap sample lacks a class.
    """
    n_groups, drawn = hits.shape[1], []
    for _ in range(N_RESAMPLES // RESAMPLES_AT_ONCE):
        shares = np.full(n_groups, 1 / n_groups)
        weights = random_state.multinomial(n_groups, shares, RESAMPLES_AT_ONCE)
        sums = np.einsum("rg,pgct->rpct", weights, hits, optimize=True)
        with np.errstate(invalid="ignore"):
            drawn.append((sums[..., 0] / sums[..., 1]).mean(axis=-1))
    return np.concatenate(drawn)


def finite_mean(values):
    """Return the mean of the finite values of each row; nan for rows without any."""
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(finite, values, 0).sum(axis=1) / finite.sum(axis=1)


def interval(values):
    """Return the bounds of the 95 % percentile interval of values, without nan."""
    low, high = np.quantile(values[np.isfinite(values)], [0.025, 0.975])
    return float(low), float(high)
