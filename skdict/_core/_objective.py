"""The objective of a sparse autoencoder, and its gradient."""

import warnings
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch.nn.functional import embedding_bag

# What an active code costs in the sparse products, in multiply-adds of the dense ones it
# saves: measured at widths 64 to 512, where both ways then take as long.
ACTIVE_COST = 3000

with warnings.catch_warnings():
    # torch says once per process that CSR tensors are in beta; what is used of them is tested.
    warnings.simplefilter("ignore")
    torch.sparse_csr_tensor([0, 0], [], [], (1, 1))


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


class Objective:
    r"""Loss and gradient of one batch, in buffers allocated once.

    For rows x (n, d), unit directions D (m, d), encoder E (m, d; D when tied), biases b:

    .. math::
        c = \mathrm{relu}(x E^T + b), \qquad
        L = \frac{1}{n} \sum_i \|x_i - c_i D\|^2 + \frac{\alpha}{n} \sum_i \|c_i\|_1

    With r = cD - x and g = (2 r D^T + alpha) / n where c > 0:
    dL/dD = 2 c^T r / n (+ g^T x when tied), dL/dE = g^T x, dL/db = sum of g.
    The gradient with respect to a row of D passes through its norm, which is the projection
    onto the tangent of the unit sphere.

    On the CPU, once few codes are active, all products but the encoding one run over active
    codes alone: the same sums in another order. A GPU multiplies zeros faster than it waits for
    their count.

    Parameters
    ----------
    parameters : Parameters
        Fixes shapes, dtype and device; its values are read at every call.
    batch_size : int
        Most rows in a batch.
    product_dtype : torch.dtype
        What matrices are rounded to inside products; sums stay in the parameters' dtype.
    active_cost : float
        Multiply-adds of a dense product that an active code is worth: with fewer active codes
        than ``n * m * d / active_cost`` in a batch, the next one goes over active codes alone.
    """

    def __init__(self, parameters, batch_size, product_dtype, *, active_cost=ACTIVE_COST):
        m, d = parameters.components.shape
        like = parameters.components
        self.product_dtype = product_dtype
        exact_on_cpu = like.device.type == "cpu" and product_dtype == like.dtype
        self._most_active = d / active_cost if exact_on_cpu else 0
        self._share_active = 1.0
        self._codes = like.new_empty(batch_size, m)
        self._slopes = like.new_empty(batch_size, m)
        self._residual = like.new_empty(batch_size, d)
        self._scratch = like.new_empty(m, d)
        self.gradients = [torch.empty_like(tensor) for tensor in parameters.tensors()]

    def __call__(self, x, parameters, alpha):
        """Fill `gradients` and return the sums of the batch."""
        codes = self._codes[: len(x)]
        self._multiply(x, parameters.encoder.T, codes).add_(parameters.bias).relu_()
        few = self._share_active < self._most_active
        sums = (self._over_active if few else self._over_all)(x, codes, parameters, alpha)
        if self._most_active:
            self._share_active = sums.n_fired.sum().item() / codes.numel()
        self._project(parameters.components)
        return sums

    def _over_all(self, x, codes, parameters, alpha):
        n, components = len(x), parameters.components
        slopes, residual = self._slopes[:n], self._residual[:n]
        toward_components, *_, toward_bias = self.gradients
        self._multiply(codes, components, residual).sub_(x)
        squared_error = _sum_of_squares(residual)
        residual.mul_(2 / n)
        self._multiply(codes.T, residual, toward_components)
        self._multiply(residual, components.T, slopes).add_(alpha / n)
        code_sum = codes.sum()
        fired = codes.sign_()
        slopes.mul_(fired)
        if parameters.tied:
            toward_components.add_(self._multiply(slopes.T, x, self._scratch))
        else:
            self._multiply(slopes.T, x, self.gradients[1])
        torch.sum(slopes, 0, out=toward_bias)
        return BatchSums(squared_error, code_sum, fired.sum(0))

    def _over_active(self, x, codes, parameters, alpha):
        (n, m), components = codes.shape, parameters.components
        rows, columns = codes.nonzero(as_tuple=True)
        values = codes[rows, columns]
        row_ends = torch.bincount(rows, minlength=n).cumsum(0)
        starts = row_ends.roll(1)
        starts[0] = 0
        residual = _weighted_sums(components, columns, values, starts).sub_(x)
        squared_error = _sum_of_squares(residual)
        residual.mul_(2 / n)
        slopes = _products_at(columns, starts, residual, components).add_(alpha / n)
        n_fired = torch.bincount(columns, minlength=m)
        by_feature = columns.argsort(stable=True)
        feature_starts = n_fired.cumsum(0) - n_fired
        rows = rows[by_feature]
        toward_components, *_, toward_bias = self.gradients
        values_by, slopes_by = values[by_feature], slopes[by_feature]
        toward_components.copy_(_weighted_sums(residual, rows, values_by, feature_starts))
        toward_encoder = _weighted_sums(x, rows, slopes_by, feature_starts)
        if parameters.tied:
            toward_components.add_(toward_encoder)
        else:
            self.gradients[1].copy_(toward_encoder)
        toward_bias.zero_().index_add_(0, columns, slopes)
        return BatchSums(squared_error, values.sum(), n_fired)

    def _project(self, components):
        """Turn the gradient of the components into that through their norms."""
        toward = self.gradients[0]
        along = torch.mul(toward, components, out=self._scratch).sum(1, keepdim=True)
        toward.addcmul_(along, components, value=-1)

    def _multiply(self, left, right, out):
        if self.product_dtype == out.dtype:
            return torch.mm(left, right, out=out)
        return out.copy_(left.to(self.product_dtype) @ right.to(self.product_dtype))


def _sum_of_squares(matrix):
    flat = matrix.view(-1)
    return torch.dot(flat, flat)


def _weighted_sums(matrix, indices, weights, starts):
    """Return, for each run of indices, the weighted sum of the matrix rows they name."""
    return embedding_bag(indices, matrix, starts, mode="sum", per_sample_weights=weights)


def _products_at(columns, starts, left, right):
    """Return ``left[row] @ right[column]`` for each active code, in row order."""
    n_active = len(columns)
    pointers = torch.cat([starts, starts.new_tensor([n_active])])
    pattern = torch.sparse_csr_tensor(
        pointers.int(), columns.int(), left.new_zeros(n_active), (len(left), len(right))
    )
    return torch.sparse.sampled_addmm(pattern, left, right.T, beta=0).values()
