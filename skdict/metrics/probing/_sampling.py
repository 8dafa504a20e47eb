"""Split samples into a training and a test part, and draw the samples of each problem."""

import warnings
from dataclasses import dataclass, replace

import numpy as np

from skdict.metrics.probing._problems import Problem
from skdict.metrics.probing._units import split_groups

MIN_GROUPS = 5


@dataclass(frozen=True, eq=False)
class Draw:
    """Samples on which the probes of one problem are fitted and tested.

    Parameters
    ----------
    problem : Problem
        Problem.
    train, test : ndarray of int
        Drawn samples of the two parts, at most half of the maximum from each class.
    """

    problem: Problem
    train: np.ndarray
    test: np.ndarray

    @property
    def samples(self):
        """All drawn samples."""
        return np.concatenate([self.train, self.test])

    def renumbered(self, used):
        """Return the draw with samples numbered by their place in `used`, which is sorted."""
        parts = (np.searchsorted(used, part) for part in (self.train, self.test))
        return Draw(replace(self.problem, targets=self.problem.targets[used]), *parts)


def draw_samples(problems, groups, *, test_size, max_samples, min_samples, random_state):
    """Split the samples once by groups, and draw some of each class for each problem.

    Samples are taken in one random order for all problems, so the problems share most of the
    samples of their frequent class.

    Parameters
    ----------
    problems : list of Problem
        Problems on the same samples.
    groups : ndarray of shape (n_samples,)
        Group of each sample; groups are not divided between the parts.
    test_size : float
        Share of the groups in the test part.
    max_samples : int
        Maximum number of samples of a problem in each part.
    min_samples : int
        Minimum number of samples of each class in each part. They must come from at least five
        groups.
    random_state : RandomState
        Source of the split and of the order.

    Returns
    -------
    list of Draw
        One for each problem with enough samples; the others are named in a UserWarning.

    Raises
    ------
    ValueError
        If there are too few groups, or no problem has enough samples.
    """
    n_groups = len(np.unique(groups))
    if n_groups < 2 * MIN_GROUPS:
        raise ValueError(
            f"the labelled rows come from {n_groups} documents or groups; pass at least "
            f"{2 * MIN_GROUPS}, because probes are fitted and tested on different ones"
        )
    in_test = np.zeros(len(groups), dtype=bool)
    in_test[split_groups(groups, test_size, random_state)[1]] = True
    order = random_state.permutation(len(groups))
    orders = [order[~in_test[order]], order[in_test[order]]]
    draws, too_few = [], []
    for problem in problems:
        drawn = [_draw(problem, part, groups, max_samples, min_samples) for part in orders]
        if any(part is None for part in drawn):
            too_few.append(problem.name)
        else:
            draws.append(Draw(problem, *drawn))
    _check_any(draws, too_few, min_samples)
    return draws


def _draw(problem, order, groups, max_samples, min_samples):
    """Return the first samples of both classes in an order; None if there are too few."""
    drawn = []
    for target in (0, 1):
        members = order[problem.targets[order] == target]
        if len(members) < min_samples or len(np.unique(groups[members])) < MIN_GROUPS:
            return None
        drawn.append(members[: max_samples // 2])
    return np.sort(np.concatenate(drawn))


def _check_any(draws, too_few, min_samples):
    needed = (
        f"fewer than {min_samples} samples of a class, or samples from fewer than {MIN_GROUPS} "
        f"documents, on one side of the split"
    )
    if not draws:
        raise ValueError(
            f"every label has {needed} ({', '.join(too_few) or 'there are no labels'}); pass more "
            f"documents, or lower min_samples"
        )
    if too_few:
        warnings.warn(
            f"{', '.join(too_few)}: not probed because of {needed}; pass more documents, or lower "
            f"min_samples",
            UserWarning,
            stacklevel=6,
        )
