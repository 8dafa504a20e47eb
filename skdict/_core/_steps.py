"""One step of training, over all codes or over active ones.

Each takes ``step(x, weights, ..., alpha, learning_rate)``, moves the parameters, and returns the
sums of the batch; `CompiledStep` is a third. Nothing in a step over all codes waits for the device.
"""

import torch

from skdict._core._active import PortableEncoder, fill_gradients
from skdict._core._objective import DenseObjective


class DenseStep:
    """A step over all codes.

    Parameters
    ----------
    parameters : Parameters
        Trained in place.
    adam : Adam
        Of the same tensors.
    batch_size : int
        Most rows in a batch.
    multiply : callable
        ``multiply(left, right, out)``.
    """

    def __init__(self, parameters, adam, batch_size, multiply):
        self._parameters, self._adam = parameters, adam
        self._objective = DenseObjective(parameters, batch_size, multiply)
        self._gradients = [torch.empty_like(tensor) for tensor in parameters.tensors()]

    def __call__(self, x, weights, alpha, learning_rate):
        """Train on rows (n, d) of weights (n,) and return the sums of the batch."""
        sums = self._objective(x, weights, self._parameters, alpha, self._gradients)
        _descend(self._parameters, self._gradients, self._adam, learning_rate)
        return sums


class PortableStep:
    """A step over active codes in plain torch operations: the same sums in another order."""

    def __init__(self, parameters, adam):
        self._parameters, self._adam = parameters, adam
        self._encoder = PortableEncoder(parameters.encoder, parameters.bias)
        self._gradients = [torch.empty_like(tensor) for tensor in parameters.tensors()]

    def __call__(self, x, weights, screen, alpha, learning_rate):
        """Train on rows (n, d) of weights (n,) and return the sums of the batch."""
        codes = self._encoder(x, screen)
        sums = fill_gradients(x, weights, codes, self._parameters, alpha, self._gradients)
        _descend(self._parameters, self._gradients, self._adam, learning_rate)
        return sums


def _descend(parameters, gradients, adam, learning_rate):
    """Move the parameters, the components along the unit sphere.

    The gradient through the norm of a row is the gradient's part along the tangent.
    """
    components, toward = parameters.components, gradients[0]
    toward.addcmul_((toward * components).sum(-1, keepdim=True), components, value=-1)
    adam.step(gradients, learning_rate)
    components /= torch.linalg.vector_norm(components, dim=-1, keepdim=True)
