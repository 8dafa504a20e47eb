"""Stop training early once the FVU has converged."""

from sklearn.exceptions import ConvergenceWarning

from skdict.decomposition._observers._base import Observer
from skdict.decomposition._user_warning import warn_user


class Convergence(Observer):
    """Observer that begins the decay of the learning rate once the FVU has converged.

    Parameters
    ----------
    tol : float
        Tolerance: the FVU has converged when its mean over an epoch, without outlier rows, changes
        by less than this from one epoch to the next.
    """

    def __init__(self, tol):
        self._tol, self._converged = tol, False
        self._epoch_fvu, self._reads = [], []

    def before_epoch(self, fit):
        """Reset the values of the epoch."""
        self._reads = []

    def after_read(self, fit, entry):
        """Record the FVU without outlier rows."""
        self._reads.append(entry["fvu_inliers"])

    def after_epoch(self, fit):
        """Compare the mean FVU with that of the previous epoch."""
        self._epoch_fvu.append(sum(self._reads) / len(self._reads))
        if self._converged or len(self._epoch_fvu) < 2:
            return
        before, now = self._epoch_fvu[-2:]
        if abs(before - now) < self._tol:
            self._converged = True
            fit.schedule.fall_now()

    def after_fit(self, fit):
        """Warn if the FVU has not converged after the last epoch."""
        if not (self._converged or fit.stopped):
            warn_user(
                f"the FVU did not converge to within tol={self._tol} per epoch in "
                f"max_iter={fit.schedule.max_iter} epochs; raise max_iter or tol",
                ConvergenceWarning,
            )

    def state(self):
        """Return the mean FVU of each epoch, and a flag for convergence."""
        return {"converged": self._converged, "epoch_fvu": self._epoch_fvu}

    def restore(self, state):
        """Restore the `state`."""
        self._converged, self._epoch_fvu = state["converged"], state["epoch_fvu"]
