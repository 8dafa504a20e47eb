"""Rows or documents that probes classify before and after an ablation."""

import numpy as np
import scipy.sparse

from skdict._validation import as_rows, check_flag, check_number
from skdict.metrics.probing import Probe, label_units, split_groups


class ProbedUnits:
    """Rows, or mean rows of documents, that probes classify.

    Units without one of the labels are left out, and each part keeps at most `max_samples` units.

    Parameters
    ----------
    X, labels, spurious, per_document, groups, test_size, max_samples : object
        See `ProbePerturbation`.
    random_state : RandomState
        Source of the split and of the units to keep.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows of the units.
    names : list of str
        Name of each class.
    present : ndarray of bool, shape (n_units, n_classes)
        Labels.
    attribute : ndarray of bool, shape (n_units,), or None
        Spurious attribute.
    groups : ndarray of int, shape (n_units,)
        Group of each unit.
    documents : ndarray of int, shape (n_units,), or None
        Document of each unit; None if units are rows.
    means : ndarray of shape (n_units, n_features)
        Mean row of each unit.
    train, test : ndarray of int
        Units of each part.
    """

    def __init__(
        self,
        X,
        labels,
        spurious,
        *,
        per_document,
        groups,
        test_size,
        max_samples,
        random_state,
    ):
        check_flag("per_document", per_document)
        check_number("test_size", test_size, above=0, high=0.99)
        check_number("max_samples", max_samples, low=2, integer=True)
        X, options = as_rows(X), {"per_document": per_document, "groups": groups}
        units = label_units(X, labels, **options)
        attribute = [] if spurious is None else label_units(X, spurious, **options).problems
        _check_problems(units.problems, attribute, spurious)
        targets = np.stack([p.targets for p in [*units.problems, *attribute]], axis=1)
        labelled = np.flatnonzero((targets >= 0).all(axis=1))
        _check_number(labelled)
        parts = split_groups(units.groups[labelled], test_size, random_state)
        parts = [labelled[random_state.permutation(part)[:max_samples]] for part in parts]
        used = np.sort(np.concatenate(parts))
        self.train, self.test = (np.sort(np.searchsorted(used, part)) for part in parts)
        self._rows = np.flatnonzero(np.isin(units.rows_of, used))
        self.X = np.asarray(X[self._rows])
        self._unit_of = np.searchsorted(used, units.rows_of[self._rows])
        self.names, n_classes = [p.name for p in units.problems], len(units.problems)
        self.present = targets[used, :n_classes] == 1
        self.attribute = targets[used, -1] == 1 if attribute else None
        self.groups = units.groups[used]
        self.documents = None if units.documents is None else units.documents[used]
        self._check_parts()
        self.means = self._pooling(slice(None)) @ self.X

    def pooled(self, X):
        """Return the mean row of each unit at another hook point, from all rows there."""
        return self._pooling(slice(None)) @ np.asarray(X[self._rows])

    @property
    def cells(self):
        """Combination of class and spurious attribute of each unit, from 0 to 3."""
        return 2 * self.present[:, 0] + self.attribute

    def test_rows(self):
        """Return the rows of the test units, and the matrix that averages them over units."""
        rows = np.isin(self._unit_of, self.test)
        return self.X[rows], self._pooling(self.test)[:, rows]

    def probe(self, means, present, weight=None):
        """Return a probe for labels of units, fitted on training units with optional weights."""
        weight = None if weight is None else weight[self.train]
        return Probe(means[self.train], present[self.train], sample_weight=weight)

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
                    f"the {name} part has {len(part)} rows or documents, in which some class or "
                    f"some combination of class and attribute is missing; pass more, or another "
                    f"test_size"
                )


def _check_problems(problems, attribute, spurious):
    """Check that there are several classes, or two classes and two values of an attribute."""
    if spurious is None and len(problems) < 2:
        raise ValueError(
            f"labels distinguish {len(problems)} class from the rest, but perturbing its probe is "
            f"compared with other probes; pass a label of at least three classes, several labels, "
            f"or a spurious attribute"
        )
    if spurious is not None and not len(problems) == len(attribute) == 1:
        raise ValueError(
            f"with spurious, labels have {len(problems)} binary problems and spurious has "
            f"{len(attribute)}; pass one label of two classes and one attribute of two values"
        )


def _check_number(labelled):
    if len(labelled) < 2:
        raise ValueError(
            f"{len(labelled)} rows or documents have all labels; pass labels that more of them have"
        )
