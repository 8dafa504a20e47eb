"""Patch features one at a time, and rerun only the losses that a move changes."""

import numpy as np
import torch


class PatchState:
    """Patched activations, and the change in loss for each feature that could move next.

    A feature matters only in the pairs in which its codes differ, and its change in loss there
    stays valid until another feature moves in the same pair. Only these pairs are run, and only
    when the change is no longer valid. The results equal those of running everything.

    Parameters
    ----------
    runs : PairedRuns
        Base and target runs.
    metric : str
        Metric to measure.
    x : torch.Tensor of shape (n_pairs, r, n_positions, width)
        Activations to start from.
    sign : {1, -1}, default=1
        Direction of a move: 1 patches a feature in, -1 takes its patch back.
    weight : float, default=1.0
        Factor of the metric; -1 if larger values are better.
    """

    def __init__(self, runs, metric, x, *, sign=1, weight=1.0):
        self._runs, self._metric, self._sign, self._weight = runs, metric, sign, weight
        self.x = x.clone()
        shape = runs.affected.shape
        self._after, self._known = np.zeros(shape), np.zeros(shape, dtype=bool)
        self.losses = self._loss(np.arange(runs.n_pairs), self.x)

    @property
    def loss(self):
        """Mean loss over pairs with the features moved so far."""
        return float(self.losses.mean())

    def gains(self, columns):
        """Return the change in loss if each of these features alone moved.

        Parameters
        ----------
        columns : ndarray of int, shape (k,)
            Columns of the differing features.

        Returns
        -------
        ndarray of shape (k,)
            Mean change over pairs.
        """
        columns = np.asarray(columns, dtype=int)
        which, pairs = np.nonzero((self._runs.affected & ~self._known)[columns])
        which = columns[which]
        step = self._runs.batch_size
        for start in range(0, len(which), step):
            part, at = which[start : start + step], pairs[start : start + step]
            self._after[part, at] = self._loss(at, self._moved(part, at))
        self._known[which, pairs] = True
        changes = np.where(self._runs.affected, self._after - self.losses, 0)[columns]
        return changes.mean(axis=1)

    def move(self, column):
        """Move a feature whose gain has been computed."""
        pairs = np.flatnonzero(self._runs.affected[column])
        self.x[pairs] = self._moved(np.full(len(pairs), column), pairs)
        self.losses[pairs] = self._after[column, pairs]
        self._known[:, pairs] = False

    def _moved(self, columns, pairs):
        runs = self._runs
        columns = torch.as_tensor(columns, device=self.x.device)
        change = runs.delta[columns, pairs][..., None] * runs.atoms[columns][:, None, None]
        return self.x[pairs] + self._sign * change

    def _loss(self, pairs, x):
        return self._weight * self._runs.values(self._metric, pairs, x)
