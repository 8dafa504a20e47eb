"""Labelled rows or documents, and their split into a training and a test part."""

from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

from skdict.metrics.probing._problems import make_problems, resolve, select


class LabelledUnits(NamedTuple):
    """Rows, or documents, that probes classify.

    Parameters
    ----------
    problems : list of Problem
        Binary problems on the units.
    groups : ndarray of int, shape (n_units,)
        Group of each unit.
    documents : ndarray of int, shape (n_units,), or None
        Document of each unit; None if units are rows.
    owner : ndarray of int, shape (n_rows,), or None
        Unit of each row; None if units are rows.
    """

    problems: list
    groups: np.ndarray
    documents: np.ndarray
    owner: np.ndarray

    @property
    def rows_of(self):
        """Unit of each row."""
        return np.arange(len(self.groups)) if self.owner is None else self.owner


def label_units(X, labels, *, per_document=False, groups=None):
    """Return the labelled units of some rows.

    Parameters
    ----------
    X : array-like of shape (n_rows, n_features)
        Rows, with documents if ``per_document=True``.
    labels : array-like, dict of str to array-like, Bunch with `labels`, or callable
        Labels of the rows or, with ``per_document=True``, indexed by document; see
        `SparseProbing`.
    per_document : bool, default=False
        If True, units are documents, else rows.
    groups : array-like, callable or None, default=None
        Group of each row or document. None makes documents the groups, and rows without documents
        their own groups.

    Returns
    -------
    LabelledUnits

    Raises
    ------
    TypeError
        If labels are not bool, int or str.
    ValueError
        If labels or groups do not fit the rows, or units are documents but rows have none.
    """
    documents = owner = None
    ids, n_labels = np.arange(len(X)), len(X)
    if per_document:
        if getattr(X, "documents", None) is None:
            raise ValueError(
                f"per_document=True, but {type(X).__name__} has no documents; pass Activations"
            )
        documents, owner = np.unique(X.documents, return_inverse=True)
        ids, n_labels = documents, None
    problems = make_problems(resolve(labels, X), ids, n_labels)
    if groups is not None:
        groups = select("groups", resolve(groups, X), ids, n_labels)
    else:
        groups = ids if per_document else getattr(X, "documents", ids)
    groups = np.unique(groups, return_inverse=True)[1]
    return LabelledUnits(problems, groups, documents, owner)


def split_groups(groups, test_size, random_state):
    """Return the training and the test samples, which have no group in common."""
    split = GroupShuffleSplit(1, test_size=test_size, random_state=random_state)
    return next(split.split(groups, groups=groups))
