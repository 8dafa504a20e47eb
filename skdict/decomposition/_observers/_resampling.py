"""Re-initialise dead features during training."""

from skdict.decomposition._observers._base import Observer
from skdict.decomposition._starts import FIRING_SHARE


class Resampling(Observer):
    """Observer that re-initialises features silent for an epoch, until the learning rate falls.

    The new features start from the residuals of poorly reconstructed rows. A feature re-initialised
    while the learning rate falls would not have enough training.
    """

    def __init__(self):
        self._count = 0

    def after_read(self, fit, entry):
        """Record the number of features re-initialised so far."""
        entry["n_resampled"] = self._count

    def after_epoch(self, fit):
        """Re-initialise the features that fired on no row of the epoch."""
        if not fit.schedule.is_falling:
            generator = fit.rows.generator_apart(fit.schedule.n_iter)
            sample, target = fit.rows.sample(generator)
            self._count += fit.trainer.resample(sample, FIRING_SHARE, generator, target)

    def state(self):
        """Return the count."""
        return {"count": self._count}

    def restore(self, state):
        """Restore the count."""
        self._count = state["count"]
