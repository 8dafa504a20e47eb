"""Choose the fastest kind of screening on this machine among those that pass a check."""

import warnings

import torch

from skdict._core._backends.compiled_finder import round_rows_compiled
from skdict._core._backends.portable import PortableFinder
from skdict._core._screening.bounds import KINDS, Screen, round_rows

# Each kind is timed on this many batches, then the fastest is used for a while.
TRIALS = 3
BATCHES_BETWEEN_TRIALS = 200
SAMPLE_ROWS = 64
_distrusted = set()
_records = {}


class _Record:
    """Timings collected in this process for dictionaries of one shape."""

    def __init__(self):
        self.n_batches, self.seconds = 0, {}


class ScreeningChoice:
    """Choose the fastest kind of screening for each batch by timing.

    Every kind finds the same entries, so the choice does not change a bit of any result.

    Parameters
    ----------
    encoder : torch.Tensor of shape (m, d)
        Encoder directions; they may change from batch to batch.
    bias : torch.Tensor of shape (m,)
        Encoder bias; it may change from batch to batch.
    compiled : bool
        If True, use compiled loops.
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
        """Return a screen of a kind for the current encoder."""
        return Screen(self._encoder, self._bias, kind, self._round_rows)

    def took(self, kind, seconds_per_row):
        """Record the time per row of a batch processed with a kind of screening."""
        known = self._record.seconds.get(kind, seconds_per_row)
        self._record.seconds[kind] = min(known, seconds_per_row)

    def _see_that_screening_holds(self, x, cutoff):
        """Check on a few rows that each kind finds every entry above its cutoff."""
        exact = (x @ self._encoder.T).add_(self._bias)
        # Entries within rounding of the cutoff may go either way, as the order of sums differs.
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
                # Some processors and some builds of torch cannot multiply narrow dtypes.
                if kind == "full":
                    raise
                _distrusted.add(kind)
                continue
            wrong = (exact - codes.to_dense(len(self._bias))).abs() > rounding
            if (wrong & (exact - cutoff > rounding)).any():
                _distrust(kind)


def _distrust(kind):
    if kind == "full":
        raise RuntimeError("matrix products are wrong on this machine; check or reinstall torch")
    _distrusted.add(kind)
    warnings.warn(
        f"screening in {kind} missed codes, so {kind} products are wrong on this machine; "
        f"{kind} will not be used again in this process",
        RuntimeWarning,
        stacklevel=6,
    )
