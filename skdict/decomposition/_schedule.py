"""How long training lasts, where it stands, and how the learning rate falls."""

import math

MIN_STEPS = 100
FALLING_SHARE = 0.2
READS_PER_EPOCH = 10


def count_steps(n_rows, batch_size, min_steps=MIN_STEPS):
    """Return the steps in an epoch and the passes over the rows that they take."""
    steps_per_pass = math.ceil(n_rows / batch_size)
    passes = math.ceil(min_steps / steps_per_pass)
    return steps_per_pass * passes, passes


class Schedule:
    """Epochs at a constant learning rate that falls linearly to zero over the last fifth.

    An epoch is one pass over the rows, or as many passes as make up 100 steps.

    Parameters
    ----------
    n_rows : int
        Rows in a pass.
    batch_size : int
        Rows in a batch.
    max_iter : int
        Maximum number of epochs.

    Attributes
    ----------
    steps, passes : int
        Per epoch.
    n_rows : int
        Rows per epoch, each counted once per pass.
    total : int
        Epochs to train for: `max_iter`, or fewer after `fall_now`.
    n_iter : int
        Epochs completed.
    rows_here : int
        Rows trained on in the current epoch.
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
        """Share of all training still to come."""
        return 1 - (self.n_iter + self.rows_here / self.n_rows) / self.total

    @property
    def is_falling(self):
        """True if the learning rate falls in the next epoch."""
        return self.n_iter > (1 - FALLING_SHARE) * self.total

    def fall_now(self):
        """Begin the last fifth after this epoch, unless it begins earlier anyway."""
        self.total = min(self.max_iter, math.ceil(self.n_iter / (1 - FALLING_SHARE)))


class BlockSchedule(Schedule):
    """One pass over a block of rows at the full learning rate, since more blocks may follow.

    Parameters
    ----------
    n_rows : int
        Rows in the block.
    batch_size : int
        Rows in a batch.
    """

    min_steps = reads_per_epoch = 1
    rate = share_left = 1.0

    def __init__(self, n_rows, batch_size):
        super().__init__(n_rows, batch_size, max_iter=1)
