"""The Adam optimiser (Kingma and Ba, 2015)."""

import math

import torch
from torch.optim.adam import adam

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Adam:
    """Adam for the trained tensors of a dictionary.

    Parameters
    ----------
    tensors : Tensors
        Tensors to train; `step` changes them in place.

    Attributes
    ----------
    first, second : dict of str to torch.Tensor
        First and second moments of the gradient of each tensor, with its shape and dtype.
    counts : dict of str to torch.Tensor
        Number of steps taken, as one float32 scalar per tensor on its device, the form that
        torch's fused kernel expects.
    """

    def __init__(self, tensors):
        self._tensors = tensors
        trained = {name: tensors[name] for name in tensors.trained}
        self.first = {name: torch.zeros_like(t) for name, t in trained.items()}
        self.second = {name: torch.zeros_like(t) for name, t in trained.items()}
        self.counts = {name: torch.zeros((), device=t.device) for name, t in trained.items()}

    def step(self, gradients, learning_rate):
        """Take one step for every tensor, given its gradient by name."""
        held = self._tensors, gradients, self.first, self.second, self.counts
        tensors, gradients, first, second, counts = (
            [by_name[name] for name in self.first] for by_name in held
        )
        adam(
            tensors,
            gradients,
            first,
            second,
            [],
            counts,
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=learning_rate,
            weight_decay=0.0,
            eps=EPSILON,
            maximize=False,
        )

    def count_step(self, learning_rate):
        """Count a step that the caller applies to the tensors itself.

        Returns
        -------
        (float, float)
            Step size and factor on the root of the second moment, both with Adam's bias
            correction.
        """
        for count in self.counts.values():
            count += 1
        n_steps = int(self.counts["bias"])
        first_beta, second_beta = BETAS
        return learning_rate / (1 - first_beta**n_steps), 1 / math.sqrt(1 - second_beta**n_steps)

    def state(self, name):
        """Return a tensor and its two moments as numpy arrays that share their memory."""
        return tuple(t.numpy() for t in self._held(name))

    def flat_state(self, name):
        """Return the `state` as one-dimensional arrays; the tensor must be contiguous."""
        # Unlike a reshaped copy, a view shares its memory.
        return tuple(t.view(-1).numpy() for t in self._held(name))

    def _held(self, name):
        return self._tensors[name], self.first[name], self.second[name]
