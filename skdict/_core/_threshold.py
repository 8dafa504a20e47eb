"""The threshold that takes the place of a selection over the batch."""

import math

import torch

from skdict._core._selection import kth_largest

# Most rows that it is found from, and most pre-activations that are held meanwhile.
MOST_ROWS = 2**17
MOST_HELD = 2**24
PART_ROWS = 1024


def shared_threshold(tensors, rows, k):
    """Return the threshold that leaves k positive pre-activations a row.

    It is half-way between the floor(k N)-th largest pre-activation of N rows and the next one, so
    that the mean L0 of these rows is k to within rounding; or zero where not so many are positive.

    Parameters
    ----------
    tensors : Tensors
        After training.
    rows : iterable of torch.Tensor of shape (n, d)
        At most 2^17 rows are read, and fewer where k is large.
    k : float
        Mean number of codes per row.

    Returns
    -------
    float
        Not negative.
    """
    most = max(PART_ROWS, min(MOST_ROWS, int(MOST_HELD / k)))
    held = _Largest(math.floor(k * most) + 1)
    for x in rows:
        for part in x[: most - held.n_rows].split(PART_ROWS):
            held.add(torch.addmm(tensors.bias, part, tensors.encoder.T))
        if held.n_rows >= most:
            break
    values = torch.cat(held.parts)
    count = torch.tensor([math.floor(k * held.n_rows)], device=values.device)
    last, following = kth_largest(values, count), kth_largest(values, count + 1)
    middle = (last + following) / 2
    # Neighbours so close that their middle is rounded to the larger one, which it would leave out.
    return float(torch.where(middle < last, middle, following))


class _Largest:
    """The largest pre-activations of rows that come in parts, at least `count` of them."""

    def __init__(self, count):
        self._count, self._floor, self._n_held = count, 0.0, 0
        self.n_rows, self.parts = 0, []

    def add(self, pre):
        """Add the pre-activations (n, m) of some rows."""
        self.n_rows += len(pre)
        self.parts.append(pre[pre > self._floor])
        self._n_held += len(self.parts[-1])
        if self._n_held > 2 * self._count:
            values = torch.cat(self.parts)
            self._floor = kth_largest(values, values.new_tensor([self._count]).long()).item()
            self.parts = [values[values >= self._floor]]
            self._n_held = len(self.parts[0])
