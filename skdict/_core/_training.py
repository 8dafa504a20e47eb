"""The state of one dictionary while it is trained."""

import numpy as np
import torch

from skdict._core._adam import Adam
from skdict._core._compiled import CompiledStep, is_compiled
from skdict._core._parameters import Parameters
from skdict._core._plan import Plan, timed
from skdict._core._products import multiplier
from skdict._core._resampling import resample_features
from skdict._core._steps import DenseStep, PortableStep
from skdict._core._tally import Tally


class Trainer:
    """One dictionary, its optimiser and its running sums; `step` is one batch.

    Adam (Kingma and Ba, 2015) moves the parameters; rows of the components are brought back
    to unit length after each step. Nothing in `step` waits for the device: sums stay there
    until `read`.

    Parameters
    ----------
    parameters : Parameters
        Trained in place.
    alpha : float
        Weight of the L1 penalty.
    learning_rate : float
        Adam's step size.
    batch_size : int
        Most rows in a batch.
    product_dtype : torch.dtype
        What matrices are rounded to inside products over all codes.
    moments : dict, optional
        `moments()` of an earlier trainer, to go on where it stopped.
    compiled : bool or None, default=None
        Whether compiled loops go over active codes. None means where they are installed.
    """

    def __init__(
        self,
        parameters,
        *,
        alpha,
        learning_rate,
        batch_size,
        product_dtype,
        moments=None,
        compiled=None,
    ):
        self.parameters = parameters
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.n_steps = 0
        self._adam = Adam(parameters.tensors())
        if moments is not None:
            self._restore_moments(moments)
        compiled = is_compiled() if compiled is None else compiled
        self._plan = Plan(parameters, batch_size, compiled)
        self._sparse_step = (CompiledStep if compiled else PortableStep)(parameters, self._adam)
        bias = parameters.bias
        self.multiply = multiplier(bias.dtype, product_dtype, bias.device)
        self.batch_size = batch_size
        # Made when first needed: its buffers hold all codes of a batch.
        self._dense_step = None
        self._tally = Tally.like(bias)

    @torch.no_grad()
    def step(self, x, rate=1.0, weights=None):
        """Train on rows x (n, d), centred and scaled, at `rate` times the learning rate.

        The weights (n,) are those of the rows in the objective, from 0 to 1; None means 1.
        """
        weights = x.new_ones(len(x)) if weights is None else weights
        screen = self._plan.screen(x)
        learning_rate = self.learning_rate * rate
        if screen is None:
            sums = self._step_over_all(x, weights, learning_rate)
        else:
            sums, seconds = timed(self._sparse_step, x, weights, screen, self.alpha, learning_rate)
            self._plan.took(screen, seconds / len(x))
        self.n_steps += 1
        self._tally.add(sums, weights, self.n_steps)
        if self._plan.chooses:
            self._plan.share_active = float(sums.n_fired.sum()) / (len(x) * len(sums.n_fired))

    @property
    def firing_counts(self):
        """Rows on which each feature fired since the counts were last set to zero."""
        return self._tally.firing_counts

    def become_part(self, i, parameters, adam, tally):
        """Hold the i-th of stacked tensors in place of tensors of its own; see `Stack`."""
        mine = self._state_tensors()
        tied = self.parameters.tied
        views = [tensor[i] for tensor in parameters.tensors()]
        self.parameters = Parameters(views[0], views[0] if tied else views[1], views[-1])
        self._adam.first = [tensor[i] for tensor in adam.first]
        self._adam.second = [tensor[i] for tensor in adam.second]
        self._adam.counts = adam.counts
        self._tally = Tally(tally.sums[i], tally.firing_counts[i], tally.last_fired[i])
        for name, tensor in self._state_tensors().items():
            tensor.copy_(mine[name])

    def _step_over_all(self, x, weights, learning_rate):
        if self._dense_step is None:
            self._dense_step = DenseStep(
                self.parameters, self._adam, self.batch_size, self.multiply
            )
        return self._dense_step(x, weights, self.alpha, learning_rate)

    def read(self, silent_steps):
        """Return the means over rows since the last call; this waits for the device.

        Parameters
        ----------
        silent_steps : int
            A feature that has not fired for so many steps counts as dead.

        Returns
        -------
        dict
            `step`; means over rows of the weighted `loss`, of `squared_error`, of
            `inlier_error` (rows of weight 1) and of `l0`; `n_dead`.
        """
        n, n_inliers, error, inlier_error, loss, penalty, n_active = self._tally.sums.tolist()
        self._tally.sums.zero_()
        silent = self.n_steps - self._tally.last_fired >= silent_steps
        return {
            "step": self.n_steps,
            "loss": (loss + self.alpha * penalty) / n,
            "squared_error": error / n,
            "inlier_error": inlier_error / max(n_inliers, 1),
            "l0": n_active / n,
            "n_dead": int(silent.sum()),
        }

    def resample(self, sample, share, generator):
        """Give features that fired on no row of the epoch a new start; return how many.

        Parameters are those of `resample_features`.
        """
        dead = self.firing_counts == 0
        count = resample_features(self.parameters, self._adam, dead, sample, share, generator)
        if count:
            self._tally.last_fired[dead] = self.n_steps
        return count

    def moments(self):
        """Return Adam's state as numpy arrays."""
        return {
            "first": [t.cpu().numpy().copy() for t in self._adam.first],
            "second": [t.cpu().numpy().copy() for t in self._adam.second],
            "n_steps": int(self._adam.counts[0]),
        }

    def state(self):
        """Return all that training goes on from, as numpy arrays.

        Returns
        -------
        dict of str to ndarray
            What `restore` takes: parameters, Adam's state, counters and running sums, and how
            many codes were active last, on which the order of sums depends.
        """
        arrays = {name: t.cpu().numpy().copy() for name, t in self._state_tensors().items()}
        arrays["n_steps"] = np.array(self.n_steps)
        share_active = self._plan.share_active
        arrays["share_active"] = np.array(np.nan if share_active is None else share_active)
        return arrays

    def restore(self, state):
        """Take up the `state` of a trainer of the same shape.

        Raises
        ------
        ValueError
            If arrays are missing, or have another shape or dtype.
        """
        tensors = self._state_tensors()
        scalars = {"n_steps": np.array(0), "share_active": np.array(1.0)}
        due = {k: t.cpu().numpy() for k, t in tensors.items()} | scalars
        for name, like in due.items():
            array = state.get(name)
            if array is None or (array.shape, array.dtype) != (like.shape, like.dtype):
                found = "nothing" if array is None else f"{array.dtype} of shape {array.shape}"
                raise ValueError(
                    f"the state of training holds {found} as {name!r} where {like.dtype} of shape "
                    f"{like.shape} is due; start the training anew"
                )
        for name, tensor in tensors.items():
            tensor.copy_(torch.tensor(state[name]))
        self.n_steps = int(state["n_steps"])
        share_active = float(state["share_active"])
        self._plan.share_active = None if np.isnan(share_active) else share_active

    def _state_tensors(self):
        encoder = () if self.parameters.tied else ("encoder",)
        names = ("components", *encoder, "bias")
        groups = {
            "parameters": self.parameters.tensors(),
            "first": self._adam.first,
            "second": self._adam.second,
            "counts": self._adam.counts,
        }
        tensors = {
            f"{group}.{name}": tensor
            for group, members in groups.items()
            for name, tensor in zip(names, members, strict=True)
        }
        return tensors | {
            "last_fired": self._tally.last_fired,
            "firing_counts": self._tally.firing_counts,
            "sums": self._tally.sums,
        }

    def _restore_moments(self, moments):
        for mine, arrays in ((self._adam.first, "first"), (self._adam.second, "second")):
            for tensor, array in zip(mine, moments[arrays], strict=True):
                tensor.copy_(torch.tensor(array))
        for count in self._adam.counts:
            count.fill_(moments["n_steps"])
