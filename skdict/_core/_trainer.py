"""Train one dictionary."""

import numpy as np
import torch

from skdict._core._adam import Adam
from skdict._core._agreement import agreed
from skdict._core._backends import Compiled, Dense, Portable, is_compiled
from skdict._core._group import ALONE
from skdict._core._model import Model
from skdict._core._nonlinearities import BatchTopK
from skdict._core._objectives import whole
from skdict._core._plan import Plan, timed
from skdict._core._products import multiplier
from skdict._core._resampling import resample_features
from skdict._core._step import take_step
from skdict._core._tally import Tally


class Trainer:
    """Train one dictionary with Adam, one batch per call of `step`.

    Unit rows are renormalised after each step. A dense step never synchronises with the device:
    running sums stay there until `read`.

    Parameters
    ----------
    tensors : Tensors
        Tensors to train in place.
    nonlinearity : Nonlinearity
        Map from pre-activations to codes.
    penalty : Penalty
        Sparsity penalty on the codes, whose `strength` may change between steps.
    learning_rate : float
        Step size of Adam.
    batch_size : int
        Maximum number of rows in a batch.
    product_dtype : torch.dtype
        Data type that matrices are rounded to inside dense products.
    levels : Levels, optional
        Nested prefixes whose squared errors enter the loss; by default the whole dictionary only.
    moments : dict, optional
        Result of `moments` of an earlier trainer, to continue from.
    compiled : bool or None, default=None
        If True, sparse steps use compiled loops. None uses them if they are installed.
    group : Alone or another group, optional
        Processes that share each batch, or that hold further features; by default only this
        process.
    n_steps : int, default=0
        Number of steps taken before. All features count as alive at that step, unless `moments`
        says otherwise.
    silent_steps : int, optional
        If given, features that have not fired for this many steps reconstruct the residual (AuxK).
    """

    def __init__(
        self,
        tensors,
        nonlinearity,
        penalty,
        *,
        learning_rate,
        batch_size,
        product_dtype,
        levels=None,
        moments=None,
        compiled=None,
        group=ALONE,
        n_steps=0,
        silent_steps=None,
    ):
        levels = whole(tensors.components.shape[-2]) if levels is None else levels
        self.model = Model(tensors, nonlinearity, penalty, levels, group)
        self.learning_rate = learning_rate
        self.n_steps, self.silent_steps = n_steps, silent_steps
        self._n_features = group.features.total(len(tensors.bias))
        self._adam = Adam(tensors)
        compiled = is_compiled() if compiled is None else compiled
        self._plan = Plan(tensors, nonlinearity, batch_size, compiled, group)
        self.multiply = multiplier(tensors.bias.dtype, product_dtype, tensors.bias.device)
        self._sparse = (Compiled if compiled else Portable)(self.multiply)
        self.batch_size = batch_size
        # Created when first needed, because its buffers hold all codes of a batch.
        self._dense = None
        self._tally = Tally.like(tensors.bias)
        self._tally.last_fired.fill_(n_steps)
        if moments is not None:
            self._restore_moments(moments)

    @property
    def tensors(self):
        """The tensors in training."""
        return self.model.tensors

    @property
    def penalty(self):
        """The penalty on codes."""
        return self.model.penalty

    @torch.no_grad()
    def step(self, x, rate=1.0, weights=None, target=None, n_rows=None):
        """Train on one batch.

        Parameters
        ----------
        x : torch.Tensor of shape (n, d)
            Rows, centred and scaled; in a group whose processes share rows, those of this process.
        rate : float, default=1.0
            Factor on the learning rate.
        weights : torch.Tensor of shape (n,), optional
            Weight of each row in the objective, between 0 and 1; 1 by default.
        target : torch.Tensor of shape (n, d_out), optional
            Rows to reconstruct from the codes of x, centred and scaled; x by default.
        n_rows : int, optional
            Number of rows of the batch in all processes; that of x by default.
        """
        n_rows = len(x) if n_rows is None else n_rows
        weights = x.new_ones(len(x)) if weights is None else weights
        screen, dead = self._plan.screen(x), self._tally.silent(self.n_steps, self.silent_steps)
        options = self._adam, x, weights, n_rows, self.learning_rate * rate, screen, dead, target
        if screen is None:
            sums = take_step(self._all_entries(), self.model, *options)
        else:
            sums, seconds = timed(take_step, self._sparse, self.model, *options)
            self._plan.took(screen, seconds / max(len(x), 1))
        self.n_steps += 1
        n_fired = self._tally.add(sums, weights, self.n_steps, self.model.group)
        if self._plan.measures:
            self._plan.share_active = float(n_fired.sum()) / (n_rows * len(n_fired))

    @property
    def firing_counts(self):
        """Number of rows on which each feature fired since the counts were last reset."""
        return self._tally.firing_counts

    def become_part(self, i, tensors, adam, tally):
        """Replace the trainer's own tensors by the i-th of stacked ones; see `Stack`."""
        mine = self._state_tensors()
        self.model.tensors = tensors.map(lambda tensor: tensor[i])
        self._adam.first = {name: tensor[i] for name, tensor in adam.first.items()}
        self._adam.second = {name: tensor[i] for name, tensor in adam.second.items()}
        self._adam.counts = adam.counts
        self._tally = Tally(tally.sums[i], tally.firing_counts[i], tally.last_fired[i])
        for name, tensor in self._state_tensors().items():
            tensor.copy_(mine[name])

    def _all_entries(self):
        if self._dense is None:
            self._dense = Dense(self.multiply, self.batch_size)
        return self._dense

    def read(self, silent_steps):
        """Return mean measures since the last call, synchronising with the device.

        Parameters
        ----------
        silent_steps : int
            Number of steps without firing after which a feature counts as dead.

        Returns
        -------
        dict
            The number of the `step`; means over rows of the weighted `loss`, `squared_error`,
            `inlier_error` (over rows of weight 1) and `l0`; and `n_dead`.
        """
        features = self.model.group.features
        features.sum_([self._tally.sums[5]])
        n, n_inliers, error, inlier_error, loss, n_active = self._tally.sums.tolist()
        self._tally.sums.zero_()
        silent = self._tally.silent(self.n_steps, silent_steps)
        return {
            "step": self.n_steps,
            "loss": loss / n,
            "squared_error": error / n,
            "inlier_error": inlier_error / max(n_inliers, 1),
            "l0": n_active / n,
            "n_dead": features.total(int(silent.sum())),
        }

    def resample(self, sample, share, generator, target=None):
        """Re-initialise the features that never fired in this epoch and return their number.

        See `resample_features` for the parameters.
        """
        dead = self.firing_counts == 0
        count = resample_features(self.model, self._adam, dead, sample, share, generator, target)
        if count:
            self._tally.last_fired[dead] = self.n_steps
            # Other processors may round differently, and processes that share rows must not drift.
            self.model.group.rows.broadcast_(self._state_tensors().values())
        return count

    @torch.no_grad()
    def l0(self, rows):
        """Return the mean number of codes that fire per row of rows (n, d), given a penalty.

        All processes of a group pass the same rows.
        """
        group, n = self.model.group, len(rows)
        parts = group.rows.part(rows).split(512)
        return group.total(sum(int(torch.count_nonzero(self.model.codes(x))) for x in parts)) / n

    @torch.no_grad()
    def frozen(self, rows):
        """Return `Nonlinearity.frozen` for the current tensors and rows seen by all processes."""
        nonlinearity, group = self.model.nonlinearity, self.model.group
        shared = [group] if isinstance(nonlinearity, BatchTopK) else []
        return nonlinearity.frozen(self.tensors, rows, *shared)

    def release(self):
        """Free the optimiser's state, after which no further step can be taken."""
        self._adam = None

    def moments(self):
        """Return Adam's moments and step count, and the step each feature last fired at."""
        held = {"first": self._adam.first, "second": self._adam.second}
        arrays = {
            kind: {name: t.cpu().numpy().copy() for name, t in tensors.items()}
            for kind, tensors in held.items()
        }
        last_fired = self._tally.last_fired.cpu().numpy().copy()
        return arrays | {"n_steps": int(self._adam.counts["bias"]), "last_fired": last_fired}

    def state(self):
        """Return everything needed to resume training, as numpy arrays.

        Returns
        -------
        dict of str to ndarray
            State for `restore`: tensors, Adam's state, counters, running sums, and the latest
            fraction of active codes and the number of threads, on which the order of sums depends.
            It does not depend on how many processes train the dictionary. If they hold features,
            only rank 0 returns it, and the others an empty dict.
        """
        arrays, features = {}, self.model.group.features
        for name, tensor in self._state_tensors().items():
            if self._is_divided(name):
                tensor = features.joined(tensor, self._n_features)
            if features.rank == 0:
                arrays[name] = tensor.cpu().numpy().copy()
        if features.rank > 0:
            return {}
        arrays["n_steps"] = np.array(self.n_steps)
        share_active = self._plan.share_active
        arrays["share_active"] = np.array(np.nan if share_active is None else share_active)
        arrays["n_threads"] = np.array(torch.get_num_threads())
        return arrays

    def restore(self, state):
        """Resume from the `state` of a trainer of the same dictionary.

        In a group, rank 0 passes the state and the others an empty dict.

        Raises
        ------
        ValueError
            If arrays are missing or have the wrong shape or dtype, or if the state comes from a
            run with another number of threads.
        """
        group = self.model.group
        with agreed(group):
            if group.rank == 0:
                self._check_state(state)
        for name, tensor in self._state_tensors().items():
            whole = tensor.new_empty(self._whole_shape(name, tensor))
            if group.rank == 0:
                whole.copy_(torch.tensor(state[name]))
            group.broadcast_([whole])
            tensor.copy_(group.features.part(whole) if self._is_divided(name) else whole)
        numbers = [float(state[name]) for name in ("n_steps", "share_active") if state]
        n_steps, share_active = group.gather_objects(numbers)[0]
        self.n_steps = int(n_steps)
        self._plan.share_active = None if np.isnan(share_active) else share_active

    def _check_state(self, state):
        tensors = self._state_tensors()
        due = {k: (self._whole_shape(k, t), t.numpy(force=True).dtype) for k, t in tensors.items()}
        due |= {"n_steps": ((), np.array(0).dtype), "n_threads": ((), np.array(0).dtype)}
        due["share_active"] = (), np.array(1.0).dtype
        for name, (shape, dtype) in due.items():
            array = state.get(name)
            if array is None or (array.shape, array.dtype) != (shape, dtype):
                found = "nothing" if array is None else f"{array.dtype} of shape {array.shape}"
                raise ValueError(
                    f"the saved training state holds {found} for {name!r}, but {dtype} of "
                    f"shape {shape} is expected; restart the training from scratch"
                )
        threads, now = int(state["n_threads"]), torch.get_num_threads()
        if threads != now:
            raise ValueError(
                f"training started with {threads} threads and cannot resume with {now}, which "
                f"would change the order of sums; call torch.set_num_threads({threads}) first, or "
                f"set OMP_NUM_THREADS={threads}"
            )

    def _is_divided(self, name):
        """Return True if a tensor of the state has entries for the features of this process."""
        kind, _, name = name.rpartition(".")
        return name in ("last_fired", "firing_counts") or (
            kind in ("parameters", "first", "second") and self.tensors.specs[name].per_feature
        )

    def _whole_shape(self, name, tensor):
        """Return the shape that a tensor of the state has if one process holds all features."""
        return (self._n_features, *tensor.shape[1:]) if self._is_divided(name) else (*tensor.shape,)

    def _state_tensors(self):
        groups = {
            "parameters": self.tensors,
            "first": self._adam.first,
            "second": self._adam.second,
            "counts": self._adam.counts,
        }
        tensors = {
            f"{group}.{name}": tensor
            for group, members in groups.items()
            for name, tensor in members.items()
        }
        return tensors | {
            "last_fired": self._tally.last_fired,
            "firing_counts": self._tally.firing_counts,
            "sums": self._tally.sums,
        }

    def _restore_moments(self, moments):
        for kind, held in (("first", self._adam.first), ("second", self._adam.second)):
            for name, tensor in held.items():
                tensor.copy_(torch.tensor(moments[kind][name]))
        for count in self._adam.counts.values():
            count.fill_(moments["n_steps"])
        self._tally.last_fired.copy_(torch.tensor(moments["last_fired"]))
