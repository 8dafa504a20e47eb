"""Length of training, progress through it, and decay of the learning rate."""

import math

MIN_STEPS = 100
FALLING_SHARE = 0.2
READS_PER_EPOCH = 10


def count_steps(n_rows, batch_size, min_steps=MIN_STEPS):
    """Return the number of steps per epoch and the number of passes over the rows they take."""
    steps_per_pass = math.ceil(n_rows / batch_size)
    passes = math.ceil(min_steps / steps_per_pass)
    return steps_per_pass * passes, passes


class Schedule:
    """Schedule with a constant learning rate that falls linearly to zero over the last fifth.

    An epoch is one pass over the rows, or as many passes as are needed for 100 steps.

    Parameters
    ----------
    n_rows : int
        Number of rows per pass.
    batch_size : int
        Number of rows per batch.
    max_iter : int
        Maximum number of epochs.

    Attributes
    ----------
    steps, passes : int
        Numbers of steps and of passes per epoch.
    n_rows : int
        Number of rows per epoch, each counted once per pass.
    total : int
        Number of epochs to train for: `max_iter`, or fewer after `fall_now`.
    n_iter : int
        Number of completed epochs.
    rows_here : int
        Number of rows used so far in the current epoch.
    """

    min_steps = MIN_STEPS
    reads_per_epoch = READS_PER_EPOCH

    def __init__(self, n_rows, batch_size, max_iter):
        self.batch_size = batch_size
        self.steps, self.passes = count_steps(n_rows, batch_size, self.min_steps)
        self.n_rows = n_rows * self.passes
        self.max_iter = self.total = max_iter
        self.n_iter = self.rows_here = 0

    @property
    def rate(self):
        """Factor on the learning rate for the next batch."""
        left = self.total - self.n_iter - self.rows_here / self.n_rows
        return min(1.0, left / (FALLING_SHARE * self.total))

    @property
    def share_left(self):
        """Share of training that remains, from 1 to 0."""
        return 1 - (self.n_iter + self.rows_here / self.n_rows) / self.total

    @property
    def is_falling(self):
        """True if the learning rate falls in the next epoch."""
        return self.n_iter > (1 - FALLING_SHARE) * self.total

    def fall_now(self):
        """Begin the last fifth after this epoch, unless it has begun already."""
        self.total = min(self.max_iter, math.ceil(self.n_iter / (1 - FALLING_SHARE)))


class BlockSchedule(Schedule):
    """Schedule of one pass over a block at the full learning rate, since more blocks may follow.

    Parameters
    ----------
    n_rows : int
        Number of rows in the block.
    batch_size : int
        Number of rows per batch.
    """

    min_steps = reads_per_epoch = 1
    rate = share_left = 1.0

    def __init__(self, n_rows, batch_size):
        super().__init__(n_rows, batch_size, max_iter=1)
