"""The objective of a sparse autoencoder, and its gradient."""

from dataclasses import dataclass
from typing import NamedTuple

import torch


@dataclass
class Parameters:
    """What is trained: `encoder is components` where the weights are tied."""

    components: torch.Tensor
    encoder: torch.Tensor
    bias: torch.Tensor

    @property
    def tied(self):
        """Whether encoder and decoder are one matrix."""
        return self.encoder is self.components

    def tensors(self):
        """Return the tensors without repetition."""
        if self.tied:
            return [self.components, self.bias]
        return [self.components, self.encoder, self.bias]


class BatchSums(NamedTuple):
    """Sums over the rows of a batch, left on the device."""

    squared_error: torch.Tensor
    """Sum of ||x - x_hat||^2."""
    code_sum: torch.Tensor
    """Sum of all codes."""
    n_fired: torch.Tensor
    """Rows on which each feature fired, shape (m,)."""


class DenseObjective:
    r"""Loss and gradient of one batch by dense products, in buffers allocated once.

    For rows x (n, d), unit directions D (m, d), encoder E (m, d; D when tied), biases b:

    .. math::
        c = \mathrm{relu}(x E^T + b), \qquad
        L = \frac{1}{n} \sum_i \|x_i - c_i D\|^2 + \frac{\alpha}{n} \sum_i \|c_i\|_1

    With r = cD - x and g = (2 r D^T + alpha) / n where c > 0:
    dL/dD = 2 c^T r / n (+ g^T x when tied), dL/dE = g^T x, dL/db = sum of g.
    The gradient with respect to a row of D passes through its norm, which is the projection
    onto the tangent of the unit sphere.

    Parameters
    ----------
    parameters : Parameters
        Fixes shapes, dtype and device; its values are read at every call.
    batch_size : int
        Most rows in a batch.
    product_dtype : torch.dtype
        What matrices are rounded to inside products; sums stay in the parameters' dtype.
    """

    def __init__(self, parameters, batch_size, product_dtype):
        m, d = parameters.components.shape
        like = parameters.components
        self.product_dtype = product_dtype
        self._codes = like.new_empty(batch_size, m)
        self._slopes = like.new_empty(batch_size, m)
        self._fired = like.new_empty(batch_size, m)
        self._residual = like.new_empty(batch_size, d)
        self._projection = like.new_empty(m, d)
        self.gradients = [torch.empty_like(tensor) for tensor in parameters.tensors()]

    def __call__(self, x, parameters, alpha):
        """Fill `gradients` and return the sums of the batch."""
        n = len(x)
        components = parameters.components
        codes, slopes = self._codes[:n], self._slopes[:n]
        fired, residual = self._fired[:n], self._residual[:n]
        self._multiply(x, parameters.encoder.T, codes).add_(parameters.bias).relu_()
        self._multiply(codes, components, residual).sub_(x)
        torch.sign(codes, out=fired)
        flat = residual.view(-1)
        sums = BatchSums(torch.dot(flat, flat), codes.sum(), fired.sum(0))
        residual.mul_(2 / n)
        self._multiply(residual, components.T, slopes).add_(alpha / n).mul_(fired)
        self._fill_gradients(x, codes, slopes, residual, parameters)
        return sums

    def _fill_gradients(self, x, codes, slopes, residual, parameters):
        toward_components, *_, toward_bias = self.gradients
        self._multiply(codes.T, residual, toward_components)
        if parameters.tied:
            toward_components.add_(self._multiply(slopes.T, x, self._projection))
        else:
            self._multiply(slopes.T, x, self.gradients[1])
        torch.sum(slopes, 0, out=toward_bias)
        torch.mul(toward_components, parameters.components, out=self._projection)
        along = self._projection.sum(1, keepdim=True)
        toward_components.addcmul_(along, parameters.components, value=-1)

    def _multiply(self, left, right, out):
        if self.product_dtype == out.dtype:
            return torch.mm(left, right, out=out)
        return out.copy_(left.to(self.product_dtype) @ right.to(self.product_dtype))
