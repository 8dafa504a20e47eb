"""Epochs of training: the schedule, the history and when to stop."""

import math
import warnings
from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from tqdm.auto import tqdm

from skdict.decomposition._scaled_rows import FIRING_SHARE

MIN_STEPS = 100
FALLING_SHARE = 0.2
READS_PER_EPOCH = 10


def count_steps(n_rows, batch_size, min_steps=MIN_STEPS):
    """Return the steps in an epoch, and the passes over the rows that they make up."""
    steps_per_pass = math.ceil(n_rows / batch_size)
    passes = math.ceil(min_steps / steps_per_pass)
    return steps_per_pass * passes, passes


def run_together(runs, stack=None):
    """Train several dictionaries to the last epoch on the same batches.

    Parameters
    ----------
    runs : list of Epochs
        Of the same rows, batch size and number of epochs, and without `tol`.
    stack : Stack, optional
        Of their trainers, which it then steps together.
    """
    with ExitStack() as bars:
        for run in runs:
            bars.enter_context(run.bar)
        while not runs[0].is_over:
            run_epoch(runs, stack)


def run_epoch(runs, stack=None):
    """Train several dictionaries for one epoch on the batches that the first one draws."""
    for run in runs:
        run.begin_epoch()
    for batch in runs[0].epoch_batches():
        step_together(runs, batch, stack)
    for run in runs:
        run.end_epoch()


def step_together(runs, batch, stack=None):
    """Train several dictionaries on one batch: by their stack, or else one after the other."""
    x, weights = batch
    if stack is None:
        for run in runs:
            run.trainer.step(x, run.rate, weights)
    else:
        stack.step(x, runs[0].rate, weights)
    for run in runs:
        run.count(len(batch[0]))


class Epochs:
    """Trains a dictionary on one source of rows, epoch by epoch.

    An epoch is one pass over the rows, or as many as make up 100 steps where the rows are
    few. The learning rate is constant, then falls linearly to zero over the last fifth.

    Parameters
    ----------
    trainer : Trainer
        What is trained.
    rows : ScaledRows
        What it is trained on.
    batch_size : int
        Rows in a batch.
    max_iter : int
        Most epochs.
    tol : float or None
        Change of the FVU of inliers between epochs below which the last, falling fifth begins.
    scaling : RowScale
        Of the rows: turns squared errors into FVU.
    verbose : int
        Whether a progress bar is shown.
    min_steps : int, default=100
        Fewest steps in an epoch.
    steering : Steering or None, default=None
        What moves alpha, if anything.
    resample : bool, default=False
        Whether features that were silent for an epoch start anew.

    Attributes
    ----------
    history : list of dict
        `step`, `loss`, `fvu`, `fvu_inliers`, `l0`, `alpha`, `n_dead`, `n_resampled`, ten
        times an epoch.
    n_iter : int
        Epochs done.
    bar : tqdm
        The progress bar, to be closed.
    """

    def __init__(
        self,
        trainer,
        rows,
        *,
        batch_size,
        max_iter,
        tol,
        scaling,
        verbose,
        min_steps=MIN_STEPS,
        steering=None,
        resample=False,
    ):
        self.trainer = trainer
        self._scaled_rows, self._steering, self._resample = rows, steering, resample
        self._n_resampled = 0
        self.history = []
        self.n_iter = 0
        self._draw_batches = partial(rows.batches, batch_size)
        self._steps, self._passes = count_steps(len(rows), batch_size, min_steps)
        self._rows = len(rows) * self._passes
        self._total = self._max_iter = max_iter
        self._tol = tol
        self._scaling = scaling
        self._epoch_fvu = []
        self._converged = False
        self.bar = tqdm(
            total=max_iter * self._rows, unit="row", unit_scale=True, disable=not verbose
        )

    def run(self, callbacks, checkpoint=None):
        """Train until the last epoch, convergence or a callback's word.

        Parameters
        ----------
        callbacks : EpochCallbacks
            Told of each epoch.
        checkpoint : checkpoint, optional
            Its `load()` gives the arrays and the plain values of an earlier run to go on from,
            or None; its `save(arrays, plain)` is called after each epoch.
        """
        earlier = checkpoint and checkpoint.load()
        if earlier:
            self._restore(*earlier)
        stop = False
        with self.bar:
            while not self.is_over and not stop:
                callbacks.begin_epoch()
                run_epoch([self])
                stop = callbacks.end_epoch()
                if not stop and not self._converged and self._has_converged():
                    self._converged = True
                    falling_from = self.n_iter / (1 - FALLING_SHARE)
                    self._total = min(self._max_iter, math.ceil(falling_from))
                if stop:
                    self._total = self.n_iter
                if checkpoint:
                    checkpoint.save(*self._state())
        if self._steering:
            self._steering.warn_if_missed()
        if self._tol is not None and not self._converged and not stop:
            warnings.warn(
                f"FVU still changed by more than tol={self._tol} an epoch after "
                f"max_iter={self._max_iter} epochs; raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=6,
            )

    @property
    def is_over(self):
        """Whether no epoch is left."""
        return self.n_iter >= self._total

    def run_once(self):
        """Train for one pass at the full learning rate."""
        with self.bar:
            self.begin_epoch()
            for x, weights in self._draw_batches():
                self.trainer.step(x, weights=weights)
            self._read(self._rows)
        self.n_iter += 1

    def _state(self):
        """Return what a later run goes on from: arrays, and what fits in JSON."""
        arrays = self.trainer.state() | {
            "generator": self._scaled_rows.generator.get_state().numpy()
        }
        plain = {
            "n_iter": self.n_iter,
            "total": self._total,
            "converged": self._converged,
            "epoch_fvu": self._epoch_fvu,
            "history": self.history,
            "alpha": self.trainer.penalty.strength,
            "ratio": self._steering and self._steering.ratio,
            "n_resampled": self._n_resampled,
        }
        return arrays, plain

    def _restore(self, arrays, plain):
        self.trainer.restore(arrays)
        self._scaled_rows.generator.set_state(torch.from_numpy(np.array(arrays["generator"])))
        self.n_iter, self._total = plain["n_iter"], plain["total"]
        self._converged = plain["converged"]
        self._epoch_fvu, self.history = plain["epoch_fvu"], plain["history"]
        self.trainer.penalty.strength, self._n_resampled = plain["alpha"], plain["n_resampled"]
        if self._steering:
            self._steering.ratio = plain["ratio"]
        self.bar.update(self.n_iter * self._rows)

    def epoch_batches(self):
        """Yield the batches of one epoch."""
        for _ in range(self._passes):
            yield from self._draw_batches()

    def begin_epoch(self):
        """Count anew what an epoch counts."""
        self.trainer.firing_counts.zero_()
        self._first_entry, self._rows_here, self._unread = len(self.history), 0, 0

    @property
    def rate(self):
        """What the schedule multiplies the learning rate by, for the batch to come."""
        left = self._total - self.n_iter - self._rows_here / self._rows
        return min(1.0, left / (FALLING_SHARE * self._total))

    def count(self, n_rows):
        """Count a batch of so many rows that was trained on."""
        self._rows_here += n_rows
        self._unread += n_rows
        if self._unread * READS_PER_EPOCH >= self._rows or self._rows_here == self._rows:
            self._read(self._unread)
            self._unread = 0

    def end_epoch(self):
        """Count the epoch, and take note of its FVU."""
        self.n_iter += 1
        fvu = [entry["fvu_inliers"] for entry in self.history[self._first_entry :]]
        self._epoch_fvu.append(sum(fvu) / len(fvu))
        if self._steering:
            self._steering.compare(self.history[-1]["l0"])
        # Once the rate falls, a new feature would not come far.
        if self._resample and self.n_iter <= (1 - FALLING_SHARE) * self._total:
            generator = self._scaled_rows.generator_apart(self.n_iter)
            sample = self._scaled_rows.sample(generator)
            self._n_resampled += self.trainer.resample(sample, FIRING_SHARE, generator)

    def _read(self, n_rows):
        entry = self.trainer.read(silent_steps=self._steps)
        entry["fvu"] = entry.pop("squared_error") * self._scaling.error_unit
        entry["fvu_inliers"] = entry.pop("inlier_error") * self._scaling.inlier_error_unit
        entry |= {"alpha": self.trainer.penalty.strength, "n_resampled": self._n_resampled}
        self.history.append(entry)
        if self._steering:
            done = self.n_iter + self._rows_here / self._rows
            self._steering.adjust(entry["l0"], 1 - done / self._total)
        self.bar.update(n_rows)
        self.bar.set_postfix(
            loss=f"{entry['loss']:.4g}",
            fvu=f"{entry['fvu']:.4g}",
            l0=f"{entry['l0']:.1f}",
            dead=entry["n_dead"],
        )

    def _has_converged(self):
        if self._tol is None or len(self._epoch_fvu) < 2:
            return False
        before, now = self._epoch_fvu[-2:]
        return abs(before - now) < self._tol
