"""A set of patched features that changes by one at a time, and what one more change would do."""

import numpy as np
import torch


class PatchState:
    """Edited activations, and the change of a loss for each feature that could be moved next.

    A feature matters in those pairs alone in which its codes differ, and what is known of it
    there stays true until another feature moves in that pair. So a change of the loss is run
    for these pairs only, and only when it is no longer known; the sums are those of running
    everything.

    Parameters
    ----------
    runs : PairedRuns
        Base and target.
    metric : str
        What to measure.
    x : torch.Tensor of shape (n_pairs, r, n_positions, width)
        Where to start.
    sign : {1, -1}, default=1
        Whether a move patches a feature in or takes it back out.
    weight : float, default=1.0
        Factor of the metric, -1 where more is better.
    """

    def __init__(self, runs, metric, x, *, sign=1, weight=1.0):
        self._runs, self._metric, self._sign, self._weight = runs, metric, sign, weight
        self.x = x.clone()
        shape = runs.affected.shape
        self._after, self._known = np.zeros(shape), np.zeros(shape, dtype=bool)
        self.losses = self._loss(np.arange(runs.n_pairs), self.x)

    @property
    def loss(self):
        """The loss of the features moved so far, mean over pairs."""
        return float(self.losses.mean())

    def gains(self, columns):
        """Return what the loss would change by if each of these features alone moved.

        Parameters
        ----------
        columns : ndarray of int, shape (k,)
            Which of the differing features.

        Returns
        -------
        ndarray of shape (k,)
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
        """Move a feature whose gain is known."""
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
