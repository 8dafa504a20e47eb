"""The state of one dictionary while it is trained."""

import numpy as np
import torch
from torch.optim.adam import adam

from skdict._core._objective import Objective, Parameters

BETAS = (0.9, 0.999)
EPSILON = 1e-8


def random_parameters(n_components, width, *, tied, generator, dtype, device):
    """Return random unit directions and zero biases.

    Drawn in float32 on the CPU and cast, so that every dtype and device starts alike.
    An untied encoder starts as a copy of the decoder.
    """
    directions = torch.randn(n_components, width, generator=generator)
    directions /= torch.linalg.vector_norm(directions, dim=1, keepdim=True)
    components = directions.to(device=device, dtype=dtype)
    encoder = components if tied else components.clone()
    return Parameters(components, encoder, components.new_zeros(n_components))


def calibrate_bias(parameters, sample, share):
    """Set each bias so that its feature fires on a share of the sample's rows.

    With zero biases half of all codes fire at first, and the penalty then kills features
    that never return.

    Parameters
    ----------
    parameters : Parameters
        Changed in place.
    sample : torch.Tensor of shape (n, d)
        Rows after centring and scaling.
    share : float
        Between 0 and 1; at least one row of the sample fires, whatever rows are equal.
    """
    rank = len(sample) - max(1, round(share * len(sample)))
    # A few components at a time: the projections of all would be a dense (n, m) array.
    for part in torch.arange(len(parameters.bias)).split(1024):
        projections = sample @ parameters.encoder[part].T
        threshold = projections.kthvalue(max(rank, 1), dim=0).values
        # Where the largest projection is that of many equal rows, the next one below it.
        largest = projections.amax(dim=0)
        below = projections.masked_fill(projections >= largest, -torch.inf).amax(dim=0)
        tied = (threshold >= largest) & below.isfinite()
        parameters.bias[part] = -torch.where(tied, below, threshold)


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
        What matrices are rounded to inside products.
    moments : dict, optional
        `moments()` of an earlier trainer, to go on where it stopped.
    """

    def __init__(
        self, parameters, *, alpha, learning_rate, batch_size, product_dtype, moments=None
    ):
        self.parameters = parameters
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.n_steps = 0
        self._objective = Objective(parameters, batch_size, product_dtype)
        tensors = parameters.tensors()
        device = parameters.bias.device
        self._first = [torch.zeros_like(t) for t in tensors]
        self._second = [torch.zeros_like(t) for t in tensors]
        # The fused kernel counts steps in one float32 a tensor, on the device.
        self._counts = [torch.zeros((), device=device) for _ in tensors]
        if moments is not None:
            self._restore(moments)
        self._last_fired = torch.zeros_like(parameters.bias, dtype=torch.int64)
        self._sums = torch.zeros(4, dtype=torch.float64, device=device)
        self.firing_counts = torch.zeros_like(self._last_fired)

    @torch.no_grad()
    def step(self, x, rate=1.0):
        """Train on rows x (n, d), centred and scaled, at `rate` times the learning rate."""
        sums = self._objective(x, self.parameters, self.alpha)
        adam(
            self.parameters.tensors(),
            self._objective.gradients,
            self._first,
            self._second,
            [],
            self._counts,
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=self.learning_rate * rate,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )
        components = self.parameters.components
        components /= torch.linalg.vector_norm(components, dim=1, keepdim=True)
        self.n_steps += 1
        self._accumulate(sums, len(x))

    def _accumulate(self, sums, n):
        self.firing_counts += sums.n_fired.long()
        self._last_fired.masked_fill_(sums.n_fired > 0, self.n_steps)
        self._sums[0] += n
        self._sums[1] += sums.squared_error
        self._sums[2] += sums.code_sum
        self._sums[3] += sums.n_fired.sum()

    def read(self, silent_steps):
        """Return the means over rows since the last call; this waits for the device.

        Parameters
        ----------
        silent_steps : int
            A feature that has not fired for so many steps counts as dead.

        Returns
        -------
        dict
            `step`, `loss`, `squared_error` (mean over rows), `l0`, `n_dead`.
        """
        n, squared_error, code_sum, n_active = self._sums.tolist()
        self._sums.zero_()
        silent = self.n_steps - self._last_fired >= silent_steps
        return {
            "step": self.n_steps,
            "loss": (squared_error + self.alpha * code_sum) / n,
            "squared_error": squared_error / n,
            "l0": n_active / n,
            "n_dead": int(silent.sum()),
        }

    def moments(self):
        """Return Adam's state as numpy arrays."""
        return {
            "first": [t.cpu().numpy().copy() for t in self._first],
            "second": [t.cpu().numpy().copy() for t in self._second],
            "n_steps": int(self._counts[0]),
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
        arrays["share_active"] = np.array(self._objective._share_active)
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
        self._objective._share_active = float(state["share_active"])

    def _state_tensors(self):
        encoder = () if self.parameters.tied else ("encoder",)
        names = ("components", *encoder, "bias")
        groups = {
            "parameters": self.parameters.tensors(),
            "first": self._first,
            "second": self._second,
            "counts": self._counts,
        }
        tensors = {
            f"{group}.{name}": tensor
            for group, members in groups.items()
            for name, tensor in zip(names, members, strict=True)
        }
        return tensors | {
            "last_fired": self._last_fired,
            "firing_counts": self.firing_counts,
            "sums": self._sums,
        }

    def _restore(self, moments):
        for mine, arrays in ((self._first, "first"), (self._second, "second")):
            for tensor, array in zip(mine, moments[arrays], strict=True):
                tensor.copy_(torch.tensor(array))
        for count in self._counts:
            count.fill_(moments["n_steps"])
