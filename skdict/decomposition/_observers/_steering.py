"""Reach a target L0 on held-out rows by adjusting alpha, or the target of a penalty on L0."""

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skdict.decomposition._observers._base import Observer
from skdict.decomposition._user_warning import warn_user

# L0 falls about as fast as alpha rises, but only after many steps: with a larger gain, alpha
# runs ahead of its effect and oscillates.
GAIN = 0.25
MOST_CHANGE = 1.5
# Maximum factor between the target of the penalty and the target L0.
MOST_ASIDE = 2.0
TOLERANCE = 0.05
# The last steps are too small to respond to an adjustment.
LAST_SHARE = 0.02
SMALLEST_ALPHA, LARGEST_ALPHA = 1e-6, 1e3


class Reach(Observer):
    """Observer that measures L0 on held-out rows and warns if it misses a target.

    Parameters
    ----------
    target : float
        Target number of active codes per row.
    held_out : torch.Tensor of shape (n, d), optional
        Held-out rows, centred and scaled. By default, L0 is measured on training rows and a miss
        is not reported, because `partial_fit` does not know when training ends.
    """

    def __init__(self, target, held_out=None):
        self._target, self._held_out = target, held_out
        # L0 on held-out rows divided by L0 on training rows.
        self._ratio = 1.0

    def after_epoch(self, fit):
        """Update the ratio of L0 on held-out rows to L0 on training rows."""
        l0 = fit.history[-1]["l0"]
        if self._held_out is not None:
            self._ratio = fit.trainer.l0(self._held_out) / l0 if l0 > 0 else 1.0

    def after_fit(self, fit):
        """Warn if L0 on held-out rows misses the target by more than 5 %."""
        if self._held_out is None:
            return
        reached = fit.trainer.l0(self._held_out)
        if abs(reached / self._target - 1) <= TOLERANCE:
            return
        how, remedy = self._told(fit)
        warn_user(
            f"target_l0={self._target} was not reached: L0 on held-out rows is {reached:.4g}"
            f"{how}; {remedy}",
            ConvergenceWarning,
        )

    def state(self):
        """Return the ratio of L0 on held-out rows to L0 on training rows."""
        return {"ratio": self._ratio}

    def restore(self, state):
        """Restore the ratio."""
        self._ratio = state["ratio"]

    def _told(self, fit):
        """Return a detail and a remedy for the warning about a missed target."""
        return "", "raise max_iter"


class Steering(Reach):
    """Observer that adjusts alpha until L0 on held-out rows reaches a target; see `Reach`."""

    def after_read(self, fit, entry):
        """Adjust alpha, given the L0 of the last batches."""
        if fit.schedule.share_left > LAST_SHARE:
            excess = max(entry["l0"] * self._ratio, 1e-3) / self._target
            factor = np.clip(excess**GAIN, 1 / MOST_CHANGE, MOST_CHANGE)
            alpha = np.clip(fit.trainer.penalty.strength * factor, SMALLEST_ALPHA, LARGEST_ALPHA)
            fit.trainer.penalty.strength = float(alpha)

    def _told(self, fit):
        alpha = fit.trainer.penalty.strength
        remedy = "raise max_iter"
        if alpha <= 2 * SMALLEST_ALPHA:
            remedy = "L0 is no higher even without a penalty, so lower target_l0"
        return f", at alpha_={alpha:.4g}", remedy


class Aim(Reach):
    """Observer that adjusts the target of a penalty until held-out rows reach it; see `Reach`.

    With a fixed target, L0 would settle where the penalty balances the squared error, off target.
    """

    def __init__(self, target, held_out=None):
        super().__init__(target, held_out)
        self._aim = target

    def before_epoch(self, fit):
        """Set the target of the penalty to the current aim."""
        fit.trainer.penalty.target = self._aim

    def after_read(self, fit, entry):
        """Lower the aim if L0 was above the target, and raise it if below."""
        if fit.schedule.share_left > LAST_SHARE:
            excess = max(entry["l0"] * self._ratio, 1e-3) / self._target
            factor = np.clip(excess**-GAIN, 1 / MOST_CHANGE, MOST_CHANGE)
            nearest, farthest = self._target / MOST_ASIDE, self._target * MOST_ASIDE
            self._aim = float(np.clip(self._aim * factor, nearest, farthest))
            fit.trainer.penalty.target = self._aim

    def state(self):
        """Return the ratio of L0 on held-out rows to L0 on training rows, and the aim."""
        return super().state() | {"aim": self._aim}

    def restore(self, state):
        """Restore the ratio and the aim."""
        super().restore(state)
        self._aim = state["aim"]
