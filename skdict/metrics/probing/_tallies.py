"""Means over strata of samples, with bootstrap intervals over groups."""

import numpy as np

N_RESAMPLES = 1000
RESAMPLES_AT_ONCE = 100


def tally(values, strata, groups, shape):
    """Return the sum of values and the number of samples by group and stratum.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        Values to average, such as 1 for a correct prediction and 0 for a wrong one.
    strata : ndarray of int, shape (n_samples,)
        Stratum of each sample. Strata count equally, so with classes as strata, the mean of
        correct predictions is the balanced accuracy.
    groups : ndarray of int, shape (n_samples,)
        Group of each sample.
    shape : (int, int)
        Number of groups and of strata.

    Returns
    -------
    ndarray of shape (n_groups, n_strata, 2)
    """
    tallies = np.zeros((*shape, 2))
    np.add.at(tallies, (groups, strata, 0), values)
    np.add.at(tallies, (groups, strata, 1), 1)
    return tallies


def stratified_mean(tallies):
    """Return the mean over strata of the means over all groups.

    Parameters
    ----------
    tallies : ndarray of shape (..., n_groups, n_strata, 2)
        Results of `tally`.

    Returns
    -------
    ndarray of shape (...)
    """
    sums = tallies.sum(axis=-3)
    return (sums[..., 0] / sums[..., 1]).mean(axis=-1)


def resampled_means(tallies, random_state):
    """Return the stratified means of bootstrap samples of the groups.

    Parameters
    ----------
    tallies : ndarray of shape (n, n_groups, n_strata, 2)
        Results of `tally` on the same groups.
    random_state : RandomState
        Source of the bootstrap samples, which are the same for all n.

    Returns
    -------
    ndarray of shape (n_resamples, n)
        Means; nan where a bootstrap sample lacks a stratum.
    """
    n_groups, drawn = tallies.shape[1], []
    shares = np.full(n_groups, 1 / n_groups)
    for _ in range(N_RESAMPLES // RESAMPLES_AT_ONCE):
        weights = random_state.multinomial(n_groups, shares, RESAMPLES_AT_ONCE)
        sums = np.einsum("rg,pgct->rpct", weights, tallies, optimize=True)
        with np.errstate(invalid="ignore"):
            drawn.append((sums[..., 0] / sums[..., 1]).mean(axis=-1))
    return np.concatenate(drawn)


def finite_mean(values):
    """Return the mean of the finite values of each row; nan for rows without any."""
    finite = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(finite, values, 0).sum(axis=1) / finite.sum(axis=1)


def interval(values):
    """Return the bounds of the 95 % percentile interval of values; nan if none is finite."""
    values = values[np.isfinite(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def with_interval(name, value, resampled):
    """Return a measure and the bounds of its interval, by name."""
    low, high = interval(resampled)
    return {name: float(value), f"{name}_low": low, f"{name}_high": high}
