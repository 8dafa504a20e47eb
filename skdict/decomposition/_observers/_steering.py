"""Reaching a target L0: by steering alpha, or by the target of a penalty on L0."""

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from skdict.decomposition._observers._base import Observer
from skdict.decomposition._user_warning import warn_user

# L0 falls about as fast as alpha rises, but only after many steps: with a larger gain, alpha
# runs ahead of its effect and oscillates.
GAIN = 0.25
MOST_CHANGE = 1.5
# How far a penalty's target is moved from what it is to reach, as a factor.
MOST_ASIDE = 2.0
TOLERANCE = 0.05
# Steering ends shortly before the last steps, which are too small to respond to it.
LAST_SHARE = 0.02
SMALLEST_ALPHA, LARGEST_ALPHA = 1e-6, 1e3


class Reach(Observer):
    """Measures L0 on held-out rows and warns if it misses a target.

    Parameters
    ----------
    target : float
        Active codes per row to reach.
    held_out : torch.Tensor of shape (n, d), optional
        Held-out rows, centred and scaled. By default L0 is that of the rows trained on,
        and a miss is not reported: `partial_fit` does not know the end of training.
    """

    def __init__(self, target, held_out=None):
        self._target, self._held_out = target, held_out
        # L0 on held-out rows divided by that on rows trained on.
        self._ratio = 1.0

    def after_epoch(self, fit):
        """Compare L0 on held-out rows with that on rows trained on."""
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
            f"target_l0={self._target} was not reached: on rows held out {reached:.4g} codes fire"
            f"{how}; {remedy}",
            ConvergenceWarning,
        )

    def state(self):
        """Return the ratio of held-out L0 to that in training."""
        return {"ratio": self._ratio}

    def restore(self, state):
        """Take up the ratio."""
        self._ratio = state["ratio"]

    def _told(self, fit):
        """Return what more to say of a miss, and what to do."""
        return "", "raise max_iter"


class Steering(Reach):
    """Moves alpha towards a target L0, measured on held-out rows; see `Reach`."""

    def after_read(self, fit, entry):
        """Move alpha, given the L0 of the last batches."""
        if fit.schedule.share_left > LAST_SHARE:
            excess = max(entry["l0"] * self._ratio, 1e-3) / self._target
            factor = np.clip(excess**GAIN, 1 / MOST_CHANGE, MOST_CHANGE)
            alpha = np.clip(fit.trainer.penalty.strength * factor, SMALLEST_ALPHA, LARGEST_ALPHA)
            fit.trainer.penalty.strength = float(alpha)

    def _told(self, fit):
        alpha = fit.trainer.penalty.strength
        remedy = "raise max_iter"
        if alpha <= 2 * SMALLEST_ALPHA:
            remedy = "even without a penalty no more codes fire: lower target_l0"
        return f", at alpha_={alpha:.4g}", remedy


class Aim(Reach):
    """Moves the target of a penalty on L0 so that held-out rows reach it; see `Reach`.

    The penalty alone settles where it balances the squared error, beside its target.
    """

    def __init__(self, target, held_out=None):
        super().__init__(target, held_out)
        self._aim = target

    def before_epoch(self, fit):
        """Set the target of the penalty."""
        fit.trainer.penalty.target = self._aim

    def after_read(self, fit, entry):
        """Aim lower if there were more codes than there should be, and higher if fewer."""
        if fit.schedule.share_left > LAST_SHARE:
            excess = max(entry["l0"] * self._ratio, 1e-3) / self._target
            factor = np.clip(excess**-GAIN, 1 / MOST_CHANGE, MOST_CHANGE)
            nearest, farthest = self._target / MOST_ASIDE, self._target * MOST_ASIDE
            self._aim = float(np.clip(self._aim * factor, nearest, farthest))
            fit.trainer.penalty.target = self._aim

    def state(self):
        """Return the ratio of held-out L0 to that in training, and the aim."""
        return super().state() | {"aim": self._aim}

    def restore(self, state):
        """Take up ratio and aim."""
        super().restore(state)
        self._aim = state["aim"]
