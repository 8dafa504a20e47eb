"""Search the rows of a batch for the entries above a cutoff or the largest entries."""

import math

import torch

from skdict._core._group import ALONE
from skdict._core._selection import batch_count, kth_largest, largest_of_batch_entries
from skdict._core._shared_selection import largest_of_shared_row_entries

SAMPLE_ROWS = 64
# The next guess, as a fraction of the last cutoff or of a guess that was too high.
BELOW_LAST, BELOW_GUESS = 0.93, 0.8
LEAST_GUESS = 2.0**-20


class Search:
    """Exact search for entries in the rows of a batch.

    Parameters
    ----------
    finder : PortableFinder or CompiledFinder
        Implementation of the search.
    x : torch.Tensor of shape (n, d)
        Rows.
    encoder, bias : torch.Tensor of shape (m, d) and (m,)
        Encoder directions and bias.
    screen : Screen
        Screen that narrows the search to a few candidates.
    eligible : torch.Tensor of shape (n,), dtype bool, optional
        Mask of the rows that compete in a selection over the batch; all by default.
    group : Alone or another group, optional
        Processes that share the batch or the features.
    known : dict, optional
        Cutoff found on the previous batch. It speeds up the next search and never changes its
        result.
    """

    def __init__(self, finder, x, encoder, bias, screen, eligible=None, group=ALONE, known=None):
        self._finder, self._x, self._encoding, self._screen = finder, x, (encoder, bias), screen
        self._eligible = x.new_ones(len(x), dtype=torch.bool) if eligible is None else eligible
        self._group = group
        self._known = {} if known is None else known

    def above(self, cutoff):
        """Return the entries whose pre-activation exceeds the cutoff of their feature (m,)."""
        return self._finder.above(self._x, *self._encoding, cutoff, self._screen)

    def largest_of_rows(self, k):
        """Return the k largest positive entries of each row."""
        features = self._group.features
        most = min(k, len(self._encoding[1]))
        codes = self._finder.largest(self._x, *self._encoding, most, self._screen)
        return codes if features.size == 1 else largest_of_shared_row_entries(codes, k, features)

    def largest_of_batch(self, k):
        """Return the floor(k n) largest positive entries of the eligible rows.

        The search finds all entries above a guessed cutoff, and lowers the guess while they are
        too few. The result does not depend on the guess.
        """
        _, bias = self._encoding
        count = batch_count(k, self._eligible, self._group)
        guess = self._first_guess(k)
        while True:
            codes = self.above(torch.full_like(bias, guess))
            found = self._eligible[codes.rows()].sum()
            self._group.sum_([found])
            if guess == 0 or found >= count:
                break
            guess = guess * BELOW_GUESS if LEAST_GUESS < guess < math.inf else 0.0
        chosen, least = largest_of_batch_entries(codes, count, self._eligible, self._group)
        if math.isfinite(least):
            self._known["cutoff"] = least
        return chosen

    def _first_guess(self, k):
        """Return a guess that is likely to be slightly below the cutoff."""
        if "cutoff" in self._known:
            return BELOW_LAST * self._known["cutoff"]
        encoder, bias = self._encoding
        sample = torch.addmm(bias, self._x[:SAMPLE_ROWS], encoder.T).flatten()
        # The rows or features of this process stand for those of all.
        n_here = k * min(SAMPLE_ROWS, len(self._x)) / self._group.features.size
        guess = kth_largest(sample, sample.new_tensor([n_here]).ceil().long())
        self._group.sum_([guess])
        return BELOW_LAST * float(guess) / self._group.size
