"""Alpha is steered so that as many codes fire on a row as are asked for."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

# L0 falls about as fast as alpha rises, but only after many steps: with a larger gain, alpha
# runs ahead of what it brings about and swings.
GAIN = 0.25
MOST_CHANGE = 1.5
TOLERANCE = 0.05
# Steering ends a little before the last step, which is too small to answer to it.
LAST_SHARE = 0.02
HELD_OUT_SHARE = 0.05
MOST_HELD_OUT = 4096
SMALLEST_ALPHA, LARGEST_ALPHA = 1e-6, 1e3


def split_held_out(X):
    """Return the rows to train on, and the last ones, at most a twentieth, to measure L0 on."""
    n_held_out = min(MOST_HELD_OUT, int(HELD_OUT_SHARE * len(X)))
    return (X, X) if n_held_out == 0 else (X[:-n_held_out], X[-n_held_out:])


class Steering:
    """Moves a trainer's alpha towards a number of active codes on rows held out.

    Parameters
    ----------
    target : float
        Codes that are to fire on a row.
    trainer : Trainer
        Its `alpha` is changed.
    held_out : torch.Tensor of shape (n, d)
        Rows held out, centred and scaled.

    Attributes
    ----------
    ratio : float
        L0 on rows held out, divided by that on rows trained on.
    """

    def __init__(self, target, trainer, held_out):
        self._target, self._trainer, self._held_out = target, trainer, held_out
        self.ratio = 1.0

    def adjust(self, l0, left):
        """Move alpha.

        Parameters
        ----------
        l0 : float
            Codes that fired on a row trained on, over the last batches.
        left : float
            Share of all steps that is still to come.
        """
        if left > LAST_SHARE:
            wrong = max(l0 * self.ratio, 1e-3) / self._target
            factor = np.clip(wrong**GAIN, 1 / MOST_CHANGE, MOST_CHANGE)
            alpha = np.clip(self._trainer.penalty.strength * factor, SMALLEST_ALPHA, LARGEST_ALPHA)
            self._trainer.penalty.strength = float(alpha)

    def compare(self, l0):
        """Take note of how L0 on rows held out compares with `l0`, that on rows trained on."""
        self.ratio = self._held_out_l0() / l0 if l0 > 0 else 1.0

    def warn_if_missed(self):
        """Warn if the L0 on rows held out is not within a twentieth of the target."""
        reached, alpha = self._held_out_l0(), self._trainer.penalty.strength
        if abs(reached / self._target - 1) <= TOLERANCE:
            return
        cure = "raise max_iter"
        if alpha <= 2 * SMALLEST_ALPHA:
            cure = "even without a penalty no more codes fire: lower target_l0"
        warnings.warn(
            f"target_l0={self._target} was not reached: on rows held out {reached:.4g} codes fire, "
            f"at alpha_={alpha:.4g}; {cure}",
            ConvergenceWarning,
            stacklevel=6,
        )

    def _held_out_l0(self):
        return self._trainer.l0(self._held_out)
