"""Groups of processes that train one dictionary, each on its part of every batch.

Every sum over rows goes through a group, so every process steps along the gradient of the whole
batch.
"""


class Alone:
    """Group of a single process."""

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
