"""Ending training early once the FVU settles."""

from sklearn.exceptions import ConvergenceWarning

from skdict.decomposition._observers._base import Observer
from skdict.decomposition._user_warning import warn_user


class Convergence(Observer):
    """Begins the falling fifth of the schedule once the mean FVU of an epoch hardly changes.

    Parameters
    ----------
    tol : float
        Largest change of the FVU of inliers between two epochs that counts as settled.
    """

    def __init__(self, tol):
        self._tol, self._converged = tol, False
        self._epoch_fvu, self._reads = [], []

    def before_epoch(self, fit):
        """Start a new mean."""
        self._reads = []

    def after_read(self, fit, entry):
        """Add to the mean."""
        self._reads.append(entry["fvu_inliers"])

    def after_epoch(self, fit):
        """Compare the epoch with the one before."""
        self._epoch_fvu.append(sum(self._reads) / len(self._reads))
        if self._converged or len(self._epoch_fvu) < 2:
            return
        before, now = self._epoch_fvu[-2:]
        if abs(before - now) < self._tol:
            self._converged = True
            fit.schedule.fall_now()

    def after_fit(self, fit):
        """Warn if all epochs went by and the FVU still changed."""
        if not (self._converged or fit.stopped):
            warn_user(
                f"FVU still changed by more than tol={self._tol} an epoch after "
                f"max_iter={fit.schedule.max_iter} epochs; raise max_iter or tol",
                ConvergenceWarning,
            )

    def state(self):
        """Return the mean FVU of each epoch."""
        return {"converged": self._converged, "epoch_fvu": self._epoch_fvu}

    def restore(self, state):
        """Take up the `state`."""
        self._converged, self._epoch_fvu = state["converged"], state["epoch_fvu"]
