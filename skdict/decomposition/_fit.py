"""The training loop: batches, history and observers."""

from contextlib import ExitStack

import numpy as np
import torch

from skdict.decomposition._dead_features import silent_steps


class Fit:
    """Training of one dictionary on one source of rows, with observers.

    Parameters
    ----------
    trainer : Trainer
        Trainer of the dictionary.
    rows : ScaledRows
        Rows to train on.
    schedule : Schedule
        Length of training and learning rate.
    observers : iterable of Observer, default=()
        Observers, called in this order, at most one of each class. They may change
        `trainer.penalty` and `schedule`, and set `stopped`.

    Attributes
    ----------
    history : list of dict
        About ten entries per epoch with `step`, `loss`, `fvu`, `fvu_inliers`, `l0`, `alpha`,
        `n_dead` and `n_resampled`.
    stopped : bool
        If True, training ends after the current epoch.
    """

    def __init__(self, trainer, rows, schedule, observers=()):
        self.trainer, self.rows, self.schedule = trainer, rows, schedule
        self.observers = list(observers)
        self.history = []
        self.stopped = False
        self._unread = 0

    @property
    def is_over(self):
        """True if no epoch remains."""
        return self.stopped or self.schedule.n_iter >= self.schedule.total

    def batches(self):
        """Yield the batches of one epoch, instances of `Batch`."""
        for _ in range(self.schedule.passes):
            yield from self.rows.training_batches(self.schedule.batch_size)

    def begin_epoch(self):
        """Reset the firing counts and notify observers."""
        self.trainer.firing_counts.zero_()
        for observer in self.observers:
            observer.before_epoch(self)

    def count(self, n_rows):
        """Count a batch of `n_rows` rows, and read the trainer if a history entry is due."""
        schedule = self.schedule
        schedule.rows_here += n_rows
        self._unread += n_rows
        enough = self._unread * schedule.reads_per_epoch >= schedule.n_rows
        if enough or schedule.rows_here == schedule.n_rows:
            self._read()
            self._unread = 0

    def end_epoch(self):
        """Count the epoch and notify observers."""
        self.schedule.n_iter += 1
        self.schedule.rows_here = 0
        for observer in self.observers:
            observer.after_epoch(self)
        # A callback may have stopped the fit in another process only.
        self.stopped = self.rows.group.total(int(self.stopped)) > 0

    def state(self):
        """Return the state to resume from: arrays by name, and a dict that fits in JSON.

        All processes of a group call this method; the arrays are those of `Trainer.state`.
        """
        arrays = self.trainer.state() | {"generator": self.rows.generator.get_state().numpy()}
        plain = {
            "n_iter": self.schedule.n_iter,
            "total": self.schedule.total,
            "stopped": self.stopped,
            "history": self.history,
            "alpha": self.trainer.penalty.strength,
            "observers": {type(observer).__name__: observer.state() for observer in self.observers},
        }
        return arrays, plain

    def restore(self, arrays, plain):
        """Resume from the `state` of a fit of the same rows, parameters and observers.

        In a group, rank 0 passes it, and the others an empty dict and None.
        """
        generator = np.array(arrays["generator"]) if arrays else None
        plain, generator = self.rows.group.gather_objects((plain, generator))[0]
        self.trainer.restore(arrays)
        self.trainer.penalty.strength = plain["alpha"]
        self.rows.generator.set_state(torch.from_numpy(generator))
        self.schedule.n_iter, self.schedule.total = plain["n_iter"], plain["total"]
        self.stopped, self.history = plain["stopped"], plain["history"]
        for observer in self.observers:
            # Observers without state, such as a progress bar, may be new to the resumed fit.
            observer.restore(plain["observers"].get(type(observer).__name__, {}))

    def _read(self):
        entry = self.trainer.read(silent_steps=silent_steps(self.schedule))
        scaling = self.rows.target_scaling
        entry["fvu"] = entry.pop("squared_error") * scaling.error_unit
        entry["fvu_inliers"] = entry.pop("inlier_error") * scaling.inlier_error_unit
        entry |= {"alpha": self.trainer.penalty.alpha, "n_resampled": 0}
        self.history.append(entry)
        for observer in self.observers:
            observer.after_read(self, entry)


def run_together(fits, stack=None):
    """Train several dictionaries on the same batches until training ends.

    Parameters
    ----------
    fits : list of Fit
        Fits with the same rows and schedule. The first one draws the batches.
    stack : Stack, optional
        Stack of their trainers. If given, it takes the steps of all of them at once.
    """
    with ExitStack() as closing:
        for fit in fits:
            for observer in fit.observers:
                observer.before_fit(fit)
                closing.callback(observer.close)
        while not fits[0].is_over:
            _run_epoch(fits, stack)
    for fit in fits:
        for observer in fit.observers:
            observer.after_fit(fit)


def _run_epoch(fits, stack):
    trainers = [fit.trainer for fit in fits] if stack is None else [stack]
    for fit in fits:
        fit.begin_epoch()
    for batch in fits[0].batches():
        for trainer in trainers:
            rate = fits[0].schedule.rate
            trainer.step(batch.x, rate, batch.weights, batch.target, batch.n_rows)
        for fit in fits:
            fit.count(batch.n_rows)
    for fit in fits:
        fit.end_epoch()
