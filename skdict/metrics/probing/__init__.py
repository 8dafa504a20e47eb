"""Probes that read labels from a few features: labels, samples, fits and the public scorer."""

from skdict.metrics.probing._probe import Probe, mean_and_scale
from skdict.metrics.probing._sparse_probing import SparseProbing
from skdict.metrics.probing._tallies import (
    finite_mean,
    resampled_means,
    stratified_mean,
    tally,
    with_interval,
)
from skdict.metrics.probing._units import label_units, split_groups

__all__ = [
    "Probe",
    "SparseProbing",
    "finite_mean",
    "label_units",
    "mean_and_scale",
    "resampled_means",
    "split_groups",
    "stratified_mean",
    "tally",
    "with_interval",
]
