"""Labelled rows, or groups of rows, split into a training and a test part."""

import numpy as np
import scipy.sparse
from sklearn.model_selection import GroupShuffleSplit

from skdict._validation import check_flag, check_number, check_random_state
from skdict.evaluation._probes import Probe, check_labelled_rows


class LabelledUnits:
    """Rows, or means over groups of rows, that probes classify.

    Parameters
    ----------
    X, labels, spurious, groups, pool, test_size, random_state : object
        See `ProbePerturbation`.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows.
    present : ndarray of bool, shape (n_units, n_classes)
        Labels.
    attribute : ndarray of bool, shape (n_units,), or None
        Spurious attribute.
    means : ndarray of shape (n_units, n_features)
        Mean row of each unit.
    train, test : ndarray of int
        Units of each part.
    """

    def __init__(self, X, labels, spurious, *, groups, pool, test_size, random_state):
        check_flag("pool", pool)
        check_number("test_size", test_size, above=0, high=0.99)
        X, present, _, groups = check_labelled_rows(X, labels, groups)
        attribute = _check_spurious(spurious, present)
        columns = present if attribute is None else np.column_stack([present, attribute])
        units = groups if pool else np.arange(len(present))
        _, first, self._unit_of = np.unique(units, return_index=True, return_inverse=True)
        _check_same_labels(columns, columns[first][self._unit_of])
        columns = columns[first]
        self.X, self.present = np.asarray(X), columns[:, : present.shape[1]]
        self.attribute = None if attribute is None else columns[:, -1]
        seed = check_random_state(random_state)
        split = GroupShuffleSplit(1, test_size=test_size, random_state=seed)
        self.train, self.test = next(split.split(columns, groups=groups[first]))
        self._check_parts()
        self.means = self._pooling(slice(None)) @ self.X

    @property
    def cells(self):
        """Combination of class and spurious attribute of each unit, from 0 to 3."""
        return 2 * self.present[:, 1] + self.attribute

    def test_rows(self):
        """Return the rows of the test units, and the matrix that averages them over units."""
        rows = np.isin(self._unit_of, self.test)
        return self.X[rows], self._pooling(self.test)[:, rows]

    def probe(self, means, present, weight=None):
        """Return a probe for labels of units, fitted on training units with optional weights."""
        weight = None if weight is None else weight[self.train]
        return Probe(means[self.train], present[self.train], weight)

    def code_changes(self, features, columns, weight):
        """Return the mean code inside minus outside each column, over weighted training units.

        Parameters
        ----------
        features : PositiveFeatures
            Dictionary.
        columns : sequence of ndarray of bool, shape (n_units,)
            Labels.
        weight : ndarray of shape (n_units,)
            Weight of each unit.

        Returns
        -------
        ndarray of shape (n_columns, 2 * n_components)
        """
        training = np.zeros(len(self.present))
        training[self.train] = weight[self.train]
        sides = [(training * inside, training * ~inside) for inside in columns]
        units = np.stack([a / a.sum() - b / b.sum() for a, b in sides])
        rows = np.flatnonzero(np.isin(self._unit_of, self.train))
        by_row = (units / np.bincount(self._unit_of))[:, self._unit_of[rows]]
        changes = np.zeros((len(units), len(features.directions)))
        for start, codes in features.blocks(self.X[rows]):
            changes += by_row[:, start : start + codes.shape[0]] @ codes
        return changes

    def _pooling(self, units):
        """Return the matrix that averages all rows over some units."""
        shares = 1 / np.bincount(self._unit_of)[self._unit_of]
        places = (self._unit_of, np.arange(len(self._unit_of)))
        return scipy.sparse.csr_array((shares, places))[units]

    def _check_parts(self):
        """Raise ValueError if a class, or a combination with the attribute, misses in a part."""
        for name, part in (("training", self.train), ("test", self.test)):
            shares = self.present[part].mean(axis=0)
            complete = ((shares > 0) & (shares < 1)).all()
            if self.attribute is not None:
                complete = len(np.unique(self.cells[part])) == 4
            if not complete:
                raise ValueError(
                    f"the {name} part has {len(part)} rows or groups, in which some class or some "
                    f"combination of class and attribute is missing; pass more, or another "
                    f"test_size"
                )


def _check_spurious(spurious, present):
    """Return the spurious attribute as bool; check that there are enough classes without it."""
    exclusive = (present.sum(axis=1) == 1).all()
    n_classes = present.shape[1]
    if spurious is None:
        if n_classes < 2 or (n_classes == 2 and exclusive):
            raise ValueError(
                f"labels has {n_classes} classes, whose probes would be one; pass labels of three "
                f"classes, or a spurious attribute"
            )
        return None
    spurious = np.asarray(spurious)
    values = np.unique(spurious)
    if spurious.shape != (len(present),) or len(values) != 2 or n_classes != 2 or not exclusive:
        raise ValueError(
            f"spurious has shape {spurious.shape} and {len(values)} values, labels has "
            f"{n_classes} classes for {len(present)} rows; pass two classes and, for each row, one "
            f"of two values"
        )
    return spurious == values[1]


def _check_same_labels(columns, of_units):
    if (columns != of_units).any():
        raise ValueError(
            "labels differ within a group, but pool=True gives one label to each group; pass "
            "pool=False, or groups with one label"
        )
