"""Processes that train one dictionary on parts of every batch.

Every sum over rows goes through a group, so that each process steps by the gradient of the whole
batch.
"""


class Alone:
    """A group of one."""

    size, rank = 1, 0

    def sum_(self, tensors):
        """Replace each tensor by its sum over the group."""

    def max_(self, tensors):
        """Replace each tensor by its maximum over the group."""

    def broadcast_(self, tensors):
        """Replace each tensor by that of rank 0."""

    def part(self, rows):
        """Return this process's part of a batch."""
        return rows.tensor_split(self.size)[self.rank]
