"""The formulas of TPP and SCR, on the accuracies of probes before and after each ablation."""

import numpy as np

SMALLEST_BIAS = 1e-3


def drops_of(accuracies):
    """Return how much each ablation lowers the accuracy of each probe.

    Parameters
    ----------
    accuracies : ndarray of shape (..., 1 + n_numbers * n_classes, n_classes)
        Accuracies of the unedited run and of each ablation, by probe.

    Returns
    -------
    ndarray of shape (..., n_numbers, n_classes, n_classes)
    """
    n_classes = accuracies.shape[-1]
    drops = accuracies[..., :1, :] - accuracies[..., 1:, :]
    return drops.reshape(*drops.shape[:-2], -1, n_classes, n_classes)


def tpp_of(accuracies):
    """Return TPP for each number of ablated features, see `drops_of`."""
    drops = drops_of(accuracies)
    own = np.diagonal(drops, axis1=-2, axis2=-1)
    others = (drops.sum(axis=-1) - own) / (drops.shape[-1] - 1)
    return (own - others).mean(axis=-1)


def scr_of(accuracies):
    """Return SCR for each number of ablated features.

    Parameters
    ----------
    accuracies : ndarray of shape (..., 1 + n_numbers, 2)
        Accuracies of the biased and the unbiased probe, in the unedited run and after each
        ablation.

    Returns
    -------
    ndarray of shape (..., n_numbers)
        Share of the difference that is repaired; nan if it is below `SMALLEST_BIAS`.
    """
    biased, unbiased = accuracies[..., :1, 0], accuracies[..., :1, 1]
    damage = np.where(unbiased - biased < SMALLEST_BIAS, np.nan, unbiased - biased)
    return (accuracies[..., 1:, 0] - biased) / damage
