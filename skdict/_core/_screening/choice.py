"""Which kind of screening to use: the fastest here, of those that are seen to hold."""

import warnings

import torch

from skdict._core._backends.compiled_finder import round_rows_compiled
from skdict._core._backends.portable import PortableFinder
from skdict._core._screening.bounds import KINDS, Screen, round_rows

# Each kind is timed on so many batches, then the fastest is used for a while.
TRIALS = 3
BATCHES_BETWEEN_TRIALS = 200
SAMPLE_ROWS = 64
_distrusted = set()
_records = {}


class _Record:
    """What is known in this process of dictionaries of one shape."""

    def __init__(self):
        self.n_batches, self.seconds = 0, {}


class ScreeningChoice:
    """Gives screens for batch after batch, of the kind that turns out fastest.

    Every kind finds the same entries, so that timing them changes no bit of any result.

    Parameters
    ----------
    encoder : torch.Tensor of shape (m, d)
        Directions that codes are read along.
    bias : torch.Tensor of shape (m,)
        What is added. Both may change from batch to batch.
    compiled : bool
        Use compiled loops.
    """

    def __init__(self, encoder, bias, compiled):
        self._encoder, self._bias = encoder, bias
        self._round_rows = round_rows_compiled if compiled else round_rows
        self._kinds = KINDS if bias.dtype == torch.float32 else ("full",)
        self._record = _records.setdefault((encoder.shape, bias.dtype, compiled), _Record())

    def next_kind(self, x, cutoff):
        """Return the kind of screening to use for rows (n, d) and cutoffs (m,)."""
        record = self._record
        turn = record.n_batches % BATCHES_BETWEEN_TRIALS
        record.n_batches += 1
        if turn == 0:
            record.seconds = {}
            self._see_that_screening_holds(x[:SAMPLE_ROWS], cutoff)
        kinds = [kind for kind in self._kinds if kind not in _distrusted]
        if turn < TRIALS * len(kinds) or not record.seconds:
            return kinds[turn % len(kinds)]
        return min(record.seconds, key=record.seconds.get)

    def screen(self, kind):
        """Return a screen of a kind for the encoder as it is now."""
        return Screen(self._encoder, self._bias, kind, self._round_rows)

    def took(self, kind, seconds_per_row):
        """Take note of how long it took to go through a batch with a kind of screening."""
        known = self._record.seconds.get(kind, seconds_per_row)
        self._record.seconds[kind] = min(known, seconds_per_row)

    def _see_that_screening_holds(self, x, cutoff):
        """Look on a few rows whether every entry above its cutoff is found, as it must be."""
        exact = (x @ self._encoder.T).add_(self._bias)
        # Entries within rounding of the cutoff may be found or not: sums in another order.
        largest = torch.linalg.vector_norm(x, dim=1).max()
        longest = torch.linalg.vector_norm(self._encoder, dim=1).max()
        rounding = 4 * x.shape[1] * torch.finfo(x.dtype).eps * largest * longest
        finder = PortableFinder()
        for kind in self._kinds:
            if kind in _distrusted:
                continue
            try:
                screen = Screen(self._encoder, self._bias, kind)
                codes = finder.above(x, self._encoder, self._bias, cutoff, screen)
            except (RuntimeError, AttributeError):
                # Not every processor, and not every build of torch, multiplies narrow types.
                if kind == "full":
                    raise
                _distrusted.add(kind)
                continue
            wrong = (exact - codes.to_dense(len(self._bias))).abs() > rounding
            if (wrong & (exact - cutoff > rounding)).any():
                _distrust(kind)


def _distrust(kind):
    if kind == "full":
        raise RuntimeError(
            "products of matrices come out wrong on this machine: check the installation of torch"
        )
    _distrusted.add(kind)
    warnings.warn(
        f"screening in {kind} missed codes, which it cannot where products in {kind} are "
        f"right; it is not used from here on",
        RuntimeWarning,
        stacklevel=6,
    )
