"""Groups of processes that train one dictionary together.

The processes share either the rows of every batch or the features of the dictionary. A group has
two faces: `rows` is the group to reduce over rows with, and `features` the one to reduce over
features with; one of them is the group itself and the other a group of a single process. Every sum
over rows or over features goes through them, so every process follows the gradient of the whole.
"""

import torch


class Alone:
    """Group of a single process."""

    size, rank = 1, 0

    @property
    def rows(self):
        """Group of the processes that share the rows of a batch."""
        return self

    @property
    def features(self):
        """Group of the processes that hold features of the dictionary."""
        return self

    def sum_(self, tensors):
        """Replace each tensor by its sum over the group."""

    def max_(self, tensors):
        """Replace each tensor by its maximum over the group."""

    def broadcast_(self, tensors):
        """Replace each tensor by that of rank 0."""

    def gather(self, tensor):
        """Return the tensors of all ranks, which have one shape, stacked along a new first axis."""
        return tensor.unsqueeze(0)

    def gather_objects(self, value):
        """Return a list of the values of all ranks, which are pickled on the way."""
        return [value]

    def total(self, number):
        """Return the sum of the whole numbers of all ranks."""
        return number

    def mean(self, tensor):
        """Return the mean over the elements of the tensors of all ranks."""
        return float(tensor.mean())

    def joined(self, part, n):
        """Return the concatenation along the first axis of the `span` of each rank of n items."""
        return part

    def span(self, n, rank=None):
        """Return start and stop of a rank's part of n items; by default of this process's."""
        return 0, n

    def part(self, items):
        """Return this process's part of a tensor or array along its first axis."""
        return items


class Group(Alone):
    """Base class of groups of several processes, which differ in how they communicate.

    Parameters
    ----------
    shard : {"rows", "components"}
        Division of the work: by the rows of batches, or by features.
    size, rank : int
        Number of processes, and number of this one.
    """

    def __init__(self, shard, size, rank):
        self.shard, self.size, self.rank = shard, size, rank

    @property
    def rows(self):
        """Group of the processes that share the rows of a batch."""
        return self if self.shard == "rows" else ALONE

    @property
    def features(self):
        """Group of the processes that hold features of the dictionary."""
        return self if self.shard == "components" else ALONE

    def total(self, number):
        """Return the sum of the whole numbers of all ranks."""
        total = torch.tensor(number)
        self.sum_([total])
        return int(total)

    def mean(self, tensor):
        """Return the mean over the elements of the tensors of all ranks."""
        sums = torch.stack([tensor.sum(), tensor.new_tensor(tensor.numel())]).double()
        self.sum_([sums])
        return float(sums[0] / sums[1])

    def span(self, n, rank=None):
        """Return start and stop of a rank's part of n items; parts differ by one item at most."""
        rank = self.rank if rank is None else rank
        each, more = divmod(n, self.size)
        start = rank * each + min(rank, more)
        return start, start + each + (rank < more)

    def part(self, items):
        """Return this process's part of a tensor or array along its first axis."""
        start, stop = self.span(len(items))
        return items[start:stop]


ALONE = Alone()
