"""Choose between a dense and a sparse training step, and how a sparse step finds its entries.

A dense and a sparse step add numbers up in different order. The choice between them therefore
depends only on shapes and on the fraction of active entries (given, or measured on the last batch),
never on timings. How entries are found does not change a bit of the result, so `ScreeningChoice`
may decide that by timing.
"""

import time

from skdict._core._group import ALONE
from skdict._core._screening.choice import ScreeningChoice

# With fewer multiply-adds per batch than this, screening costs more than it saves.
LEAST_WORK = 2**24
SAMPLE_ROWS = 64
# Limit of `most_active` for wide rows, and the width at which it is half of that, measured at
# widths from 64 to 1,024 (python tests/benchmarks/speed.py --only crossover).
LIMITS = {"compiled": (0.22, 110), "portable": (0.15, 200)}


class Plan:
    """Choose between a dense and a sparse step for each batch.

    Parameters
    ----------
    tensors : Tensors
        Tensors in training.
    nonlinearity : Nonlinearity
        Provides the cutoff of each feature and, if known, the fraction of active entries.
    batch_size : int
        Maximum number of rows in a batch.
    compiled : bool
        If True, sparse steps use compiled loops.
    group : Alone or another group, optional
        Processes that share the batch or hold further features. They choose alike wherever entries
        are selected together, because dense and sparse steps exchange different numbers.

    Attributes
    ----------
    chooses : bool
        True if a sparse step is possible at all.
    measures : bool
        True if the choice depends on `share_active`, which the caller must then keep up to date.
    share_active : float or None
        Fraction of active entries; None if not yet known.
    """

    def __init__(self, tensors, nonlinearity, batch_size, compiled, group=ALONE):
        self._tensors, self._nonlinearity, self._group = tensors, nonlinearity, group
        here, d = tensors.encoder.shape
        m = group.features.total(here)
        on_cpu = tensors.bias.device.type == "cpu"
        self.chooses = on_cpu and batch_size * m * d >= LEAST_WORK * group.features.size
        self._most_active = most_active(d, compiled)
        self._choice = ScreeningChoice(tensors.encoder, tensors.bias, compiled)
        self.share_active = nonlinearity.share_active(m) if on_cpu else None
        self.measures = self.chooses and self.share_active is None

    def screen(self, x):
        """Return the screen that finds the entries of rows, or None for a dense step."""
        if not self.chooses:
            return None
        cutoff = self._nonlinearity.feature_cutoff(self._tensors)
        if self.share_active is None:
            sample = x[:SAMPLE_ROWS] @ self._tensors.encoder.T + self._tensors.bias
            self.share_active = self._group.rows.mean((sample > cutoff).float())
        if self.share_active > self._most_active:
            return None
        return self._choice.screen(self._choice.next_kind(x, cutoff))

    def took(self, screen, seconds_per_row):
        """Record how long a step with a screen took per row."""
        self._choice.took(screen.kind, seconds_per_row)


def most_active(width, compiled):
    """Return the fraction of active entries up to which a sparse step is faster."""
    limit, half = LIMITS["compiled" if compiled else "portable"]
    return limit * width / (width + half)


def timed(step, *arguments):
    """Call a step; return its result and the seconds it took."""
    start = time.perf_counter()
    return step(*arguments), time.perf_counter() - start
