"""Find the threshold that replaces selection over the batch at inference."""

import math

import torch

from skdict._core._group import ALONE
from skdict._core._selection import kth_largest

# Maximum number of rows to read, and of pre-activations to keep in memory.
MOST_ROWS = 2**17
MOST_HELD = 2**24
PART_ROWS = 1024


def shared_threshold(tensors, rows, k, group=ALONE):
    """Return the threshold that leaves k positive pre-activations per row on average.

    The threshold lies half-way between the floor(k N)-th largest pre-activation of N rows and the
    next, so the mean L0 of these rows is k up to rounding. It is zero if there are not enough
    positive pre-activations.

    Parameters
    ----------
    tensors : Tensors
        Trained tensors.
    rows : iterable of torch.Tensor of shape (n, d)
        Rows to calibrate on. At most 2^17 rows are read, fewer if k is large.
    k : float
        Mean number of codes per row.
    group : Alone or another group, optional
        Processes that share the work on these rows, or that hold further features.

    Returns
    -------
    float
        Non-negative threshold.
    """
    most = max(PART_ROWS, min(MOST_ROWS, int(MOST_HELD / k)))
    held = _Largest(math.floor(k * most) + 1)
    for x in rows:
        for part in x[: most - held.n_rows].split(PART_ROWS):
            held.add(torch.addmm(tensors.bias, group.rows.part(part), tensors.encoder.T))
            held.n_rows += len(part)
        if held.n_rows >= most:
            break
    values = torch.cat(held.parts)
    count = torch.tensor([math.floor(k * held.n_rows)], device=values.device)
    last, following = (kth_largest(values, rank, group) for rank in (count, count + 1))
    middle = (last + following) / 2
    # Adjacent floats: the midpoint rounds to the larger one, which would then not exceed it.
    return float(torch.where(middle < last, middle, following))


class _Largest:
    """The `count` largest pre-activations, or more, of rows that arrive in parts."""

    def __init__(self, count):
        self._count, self._floor, self._n_held = count, 0.0, 0
        self.n_rows, self.parts = 0, []

    def add(self, pre):
        """Update with the pre-activations (n, m) of some rows."""
        self.parts.append(pre[pre > self._floor])
        self._n_held += len(self.parts[-1])
        if self._n_held > 2 * self._count:
            values = torch.cat(self.parts)
            self._floor = kth_largest(values, values.new_tensor([self._count]).long()).item()
            self.parts = [values[values >= self._floor]]
            self._n_held = len(self.parts[0])
