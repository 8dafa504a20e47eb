"""Whether a batch is gone through over all entries or over few, and how these are found.

Over all or over few entries changes the order of sums, so it follows from shapes and from the share
of active entries, known beforehand or that of the last batch, never from a clock. How entries are
found changes no bit: that is chosen by time (`ScreeningChoice`).
"""

import time

from skdict._core._screening.choice import ScreeningChoice

# Below so many multiply-adds a batch, screening costs more than it saves.
LEAST_WORK = 2**24
SAMPLE_ROWS = 64
# The limit of `most_active` for wide rows, and the width at which it is half of that: measured at
# widths of 64 to 1,024 (python tests/benchmarks/speed.py --only crossover).
LIMITS = {"compiled": (0.22, 110), "portable": (0.15, 200)}


class Plan:
    """Chooses between a step over all entries and one over few of them.

    Parameters
    ----------
    tensors : Tensors
        What is trained.
    nonlinearity : nonlinearity
        Gives the share of active entries where it is known, and the cutoffs of features.
    batch_size : int
        Most rows in a batch.
    compiled : bool
        Compiled loops are used.

    Attributes
    ----------
    chooses : bool
        True if there is a choice.
    measures : bool
        True if it depends on `share_active`, which is then to be kept up to date.
    share_active : float or None
        Share of active entries; None where nothing is known yet.
    """

    def __init__(self, tensors, nonlinearity, batch_size, compiled):
        self._tensors, self._nonlinearity = tensors, nonlinearity
        m, d = tensors.components.shape
        on_cpu = tensors.bias.device.type == "cpu"
        self.chooses = on_cpu and batch_size * m * d >= LEAST_WORK
        self._most_active = most_active(d, compiled)
        self._choice = ScreeningChoice(tensors.encoder, tensors.bias, compiled)
        self.share_active = nonlinearity.share_active(m) if on_cpu else None
        self.measures = self.chooses and self.share_active is None

    def screen(self, x):
        """Return how to find the entries of rows, or None for a step over all of them."""
        if not self.chooses:
            return None
        cutoff = self._nonlinearity.feature_cutoff(self._tensors)
        if self.share_active is None:
            sample = x[:SAMPLE_ROWS] @ self._tensors.encoder.T + self._tensors.bias
            self.share_active = float((sample > cutoff).float().mean())
        if self.share_active > self._most_active:
            return None
        return self._choice.screen(self._choice.next_kind(x, cutoff))

    def took(self, screen, seconds_per_row):
        """Take note of how long a step with a screen took for each row."""
        self._choice.took(screen.kind, seconds_per_row)


def most_active(width, compiled):
    """Return the share of active entries up to which going over these alone is faster."""
    limit, half = LIMITS["compiled" if compiled else "portable"]
    return limit * width / (width + half)


def timed(step, *arguments):
    """Return what a step returns, and the seconds it took."""
    start = time.perf_counter()
    return step(*arguments), time.perf_counter() - start
