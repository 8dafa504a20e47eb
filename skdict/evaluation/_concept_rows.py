"""Rows of known concepts, and how the features of a dictionary represent a concept on them."""

from collections import Counter
from functools import cached_property
from typing import NamedTuple

import numpy as np
from sklearn.metrics import f1_score

from skdict._validation import as_rows
from skdict.evaluation._absorption_rules import absorbed, main_features
from skdict.metrics.probing import (
    Probe,
    finite_mean,
    label_units,
    mean_and_scale,
    resampled_means,
    split_groups,
    stratified_mean,
    tally,
    with_interval,
)


class Concept(NamedTuple):
    """Concept to measure.

    Parameters
    ----------
    problem : Problem
        Rows with and without the concept.
    direction : ndarray of shape (n_features,)
        Unit direction of its probe.
    rows : ndarray of int
        Test rows with the concept on which the probe finds it.
    """

    problem: object
    direction: np.ndarray
    rows: np.ndarray


class Measured(NamedTuple):
    """Features that represent a concept, and the part that others absorb.

    Parameters
    ----------
    concept : Concept
        Concept.
    main : list of int
        Features that represent it, strongest first.
    f1 : float
        F1 of a probe on them.
    fractions : ndarray of shape (n_rows,)
        Absorption fraction of each row of the concept.
    full : ndarray of bool, shape (n_rows,)
        True where absorption is full.
    absorbers : Counter of int
        Number of fully absorbed rows on which each feature has the largest contribution.
    """

    concept: Concept
    main: list
    f1: float
    fractions: np.ndarray
    full: np.ndarray
    absorbers: Counter

    def record(self):
        """Return the measures by name, see `Absorption.records`."""
        return {
            "concept": self.concept.problem.name,
            "main_features": self.main,
            "f1": self.f1,
            "absorption": float(self.fractions.mean()),
            "full_absorption": float(self.full.mean()),
            "absorbers": [feature for feature, _ in self.absorbers.most_common()],
            "n_rows": len(self.concept.rows),
        }


class ConceptRows:
    """Labelled rows, split into a training and a test part.

    Parameters
    ----------
    X, labels, groups, test_size : object
        See `Absorption`.
    random_state : RandomState
        Source of the split and of the seed for the bootstrap.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows.
    problems : list of Problem
        Concepts.
    train, test : ndarray of int
        Rows of each part.
    """

    def __init__(self, X, labels, groups, test_size, random_state):
        X = as_rows(X)
        units = label_units(X, labels, groups=groups)
        self.X, self.problems, self._groups = np.asarray(X), units.problems, units.groups
        self.train, self.test = split_groups(units.groups, test_size, random_state)
        self._seed = random_state.randint(np.iinfo(np.int32).max)

    @cached_property
    def scale(self):
        """Root mean square of all entries of the centred rows."""
        return mean_and_scale(self.X)[1]

    def probed(self, min_f1):
        """Return the concepts whose probe has a sufficient F1 on test rows."""
        concepts = []
        for problem in self.problems:
            present, train, test = self._labelled(problem)
            if not _varies(present[train]):
                continue
            probe = Probe(self.X[train], present[train])
            found = probe.scores(self.X[test]) > 0
            if f1_score(present[test], found, zero_division=0) >= min_f1:
                rows = test[found & present[test]]
                concepts.append(Concept(problem, _unit(probe.weights), rows))
        return [concept for concept in concepts if len(concept.rows)]

    def known(self, directions):
        """Return the concepts of known directions, on test rows that have a positive projection."""
        directions = np.asarray(directions, dtype=np.float64)
        if directions.shape != (len(self.problems), self.X.shape[1]):
            raise ValueError(
                f"directions has shape {directions.shape}; pass one row of width "
                f"{self.X.shape[1]} for each of the {len(self.problems)} concepts"
            )
        concepts = []
        for problem, direction in zip(self.problems, directions, strict=True):
            present, train, test = self._labelled(problem)
            rows = test[present[test]]
            rows = rows[self.X[rows] @ direction > 0]
            if _varies(present[train]) and len(rows):
                concepts.append(Concept(problem, _unit(direction), rows))
        return concepts

    def measure(self, concept, features, codes, comparable):
        """Return the `Measured` concept.

        Parameters
        ----------
        concept : Concept
            Concept.
        features : PositiveFeatures
            Dictionary.
        codes : csr_array of shape (n_rows, m)
            Codes of all rows.
        comparable : csr_array of shape (n_rows, m)
            Codes in units that do not depend on those of the rows or of the features.
        """
        main, f1 = main_features(comparable, *self._labelled(concept.problem))
        fired = codes[concept.rows].toarray()
        contributions = fired * (features.directions @ concept.direction)
        cosines = features.cosines(concept.direction)
        projections = (self.X[concept.rows] - features.offset) @ concept.direction
        fractions, full = absorbed(fired, cosines, contributions, projections, main)
        absorbers = Counter(contributions[full].argmax(axis=1).tolist())
        return Measured(concept, main, f1, fractions, full, absorbers)

    def mean(self, name, measured, values):
        """Return the mean over concepts of means over rows, with its interval.

        Parameters
        ----------
        name : str
            Name of the measure.
        measured : list of Measured
            Concepts.
        values : list of ndarray
            Values of the rows of each concept.

        Returns
        -------
        dict of str to float
            The mean and the bounds of its 95 % confidence interval.
        """
        tested = np.unique(self._groups[self.test])
        tallies = []
        for concept, of_rows in zip((m.concept for m in measured), values, strict=True):
            groups = np.searchsorted(tested, self._groups[concept.rows])
            tallies.append(tally(of_rows, np.zeros_like(groups), groups, (len(tested), 1)))
        tallies = np.array(tallies)
        resampled = resampled_means(tallies, np.random.RandomState(self._seed))
        return with_interval(name, stratified_mean(tallies).mean(), finite_mean(resampled))

    def _labelled(self, problem):
        """Return which rows are of the class, and the labelled rows of each part."""
        parts = (part[problem.targets[part] >= 0] for part in (self.train, self.test))
        return problem.targets == 1, *parts


def _varies(flags):
    return flags.any() and not flags.all()


def _unit(vector):
    return vector / np.linalg.norm(vector)
