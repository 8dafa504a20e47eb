"""Adam (Kingma and Ba, 2015): the moments of what is trained, and one step."""

import math

import torch
from torch.optim.adam import adam

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Adam:
    """First and second moments of the gradients of some tensors.

    Parameters
    ----------
    tensors : Tensors
        What is trained, changed in place by `step`.

    Attributes
    ----------
    first, second : dict of str to torch.Tensor
        The moments, each like its tensor.
    counts : dict of str to torch.Tensor
        Steps taken, one float32 a tensor on its device, as torch's fused kernel has it.
    """

    def __init__(self, tensors):
        self._tensors = tensors
        trained = {name: tensors[name] for name in tensors.trained}
        self.first = {name: torch.zeros_like(t) for name, t in trained.items()}
        self.second = {name: torch.zeros_like(t) for name, t in trained.items()}
        self.counts = {name: torch.zeros((), device=t.device) for name, t in trained.items()}

    def step(self, gradients, learning_rate):
        """Move every tensor along its gradient, given by name."""
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
        """Count a step that is taken elsewhere.

        Returns
        -------
        (float, float)
            The step size, and the factor on the root of the second moment, both corrected
            for the moments' start at zero.
        """
        for count in self.counts.values():
            count += 1
        n_steps = int(self.counts["bias"])
        first_beta, second_beta = BETAS
        return learning_rate / (1 - first_beta**n_steps), 1 / math.sqrt(1 - second_beta**n_steps)

    def state(self, name):
        """Return a tensor and its moments as numpy arrays that share memory with them."""
        return tuple(t.numpy() for t in (self._tensors[name], self.first[name], self.second[name]))
