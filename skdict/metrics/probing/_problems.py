"""Turn labels into binary problems."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.utils import Bunch

UNLABELLED = -1


@dataclass(frozen=True, eq=False)
class Problem:
    """Binary problem: tell the samples of one class from the other labelled samples.

    Parameters
    ----------
    name : str
        Name of the label, followed by ``=class`` if the label has more than two classes.
    targets : ndarray of int8, shape (n_samples,)
        1 for samples of the class, 0 for the others, -1 for samples without a label.
    base_rate : float
        Share of the class among all labelled samples, whether drawn or not.
    """

    name: str
    targets: np.ndarray
    base_rate: float

    @classmethod
    def of(cls, name, is_class, labelled):
        """Return the problem of telling a class from the other labelled samples."""
        targets = np.where(labelled, is_class, UNLABELLED).astype(np.int8)
        return cls(name, targets, float(is_class[labelled].mean()) if labelled.any() else np.nan)


def resolve(values, X):
    """Return labels or groups, called with the rows if they are a function of them."""
    return values(X) if callable(values) else values


def make_problems(labels, samples, n_labels):
    """Return the binary problems of some labels.

    Parameters
    ----------
    labels : array-like, dict of str to array-like, or Bunch with `labels`
        Labels, one for each sample or indexed by document.
    samples : ndarray of int, or slice
        Index of each sample in the labels.
    n_labels : int or None
        Required number of labels; None if they are indexed by document and only need to be
        enough.

    Returns
    -------
    list of Problem
        For a label with one or two classes one problem, else one for each class.
    """
    if isinstance(labels, Bunch) and "labels" in labels:
        labels = labels["labels"]
    if not isinstance(labels, Mapping):
        labels = {"label": labels}
    problems = []
    for name, values in labels.items():
        values = select(f"labels[{name!r}]", values, samples, n_labels)
        problems += _one_against_rest(str(name), _check_classes(name, values))
    return problems


def select(name, values, samples, n_values):
    """Return the values of the samples, after checking their number."""
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(f"{name} has shape {values.shape}; pass a one-dimensional array")
    if n_values is not None and len(values) != n_values:
        raise ValueError(
            f"{name} has {len(values)} entries but X has {n_values} rows; pass one per row, or a "
            f"function from the rows to labels. With per_document=True, entries are indexed by "
            f"document"
        )
    if n_values is None and len(samples) and samples.max() >= len(values):
        raise ValueError(
            f"{name} has {len(values)} entries but X has document {samples.max()}; pass one for "
            f"each text, in the order in which the texts were extracted"
        )
    return values[samples]


def _check_classes(name, values):
    """Return labels as bool, integers or str; raise TypeError for other types."""
    if values.dtype.kind == "O" and all(isinstance(value, str) for value in values):
        values = values.astype(str)
    if values.dtype.kind not in "biuU":
        raise TypeError(
            f"labels[{name!r}] has dtype {values.dtype}; pass bool, int or str, with the empty "
            f"string for samples without a label"
        )
    return values


def _one_against_rest(name, values):
    labelled = np.ones(len(values), dtype=bool)
    if values.dtype.kind == "b":
        return [Problem.of(name, values, labelled)]
    if values.dtype.kind == "U":
        labelled = values != ""
    classes = np.unique(values[labelled])
    # Two classes are one problem: telling the second from the first.
    if len(classes) <= 2:
        return [Problem.of(name, values == c, labelled) for c in classes[-1:]]
    return [Problem.of(f"{name}={c}", values == c, labelled) for c in classes]
