"""The objective of a sparse autoencoder, and its gradient over all codes."""

import torch

from skdict._core._parameters import BatchSums


class DenseObjective:
    r"""Loss and gradient of one batch over all codes, in buffers allocated once.

    For rows x (n, d), unit directions D (m, d), encoder E (m, d; D when tied), biases b; all of
    these but the rows may have a leading axis, for several dictionaries on one batch:

    .. math::
        c = \mathrm{relu}(x E^T + b), \qquad
        L = \frac{1}{n} \sum_i w_i \left( \|x_i - c_i D\|^2 + \alpha \|c_i\|_1 \right)

    With r_i = w_i (c_i D - x_i) and g_i = (2 r_i D^T + alpha w_i) / n where c_i > 0:
    dL/dD = 2 c^T r / n (+ g^T x when tied), dL/dE = g^T x, dL/db = sum of g.

    Parameters
    ----------
    parameters : Parameters
        Fixes shapes, dtype and device; its values are read at every call.
    batch_size : int
        Most rows in a batch.
    multiply : callable
        ``multiply(left, right, out)``, the matrix product.
    """

    def __init__(self, parameters, batch_size, multiply):
        *stacked, m, d = parameters.components.shape
        like = parameters.components
        self._multiply = multiply
        self._codes = like.new_empty(*stacked, batch_size, m)
        self._slopes = like.new_empty(*stacked, batch_size, m)
        self._residual = like.new_empty(*stacked, batch_size, d)
        self._toward_encoder = torch.empty_like(like) if parameters.tied else None

    def __call__(self, x, weights, parameters, alpha, gradients):
        """Fill the gradients and return the sums of the batch; alpha may be a stack, (a, 1, 1).

        The components' gradient still has its part along the components.
        """
        n, components = len(x), parameters.components
        codes, slopes, residual = (
            room[..., :n, :] for room in (self._codes, self._slopes, self._residual)
        )
        toward_components, *_, toward_bias = gradients
        bias = parameters.bias.unsqueeze(-2)
        self._multiply(x, parameters.encoder.mT, codes).add_(bias).relu_()
        self._multiply(codes, components, residual).sub_(x)
        squared_errors = residual.square().sum(-1)
        weights = weights[:, None]
        residual.mul_(2 / n * weights)
        self._multiply(codes.mT, residual, toward_components)
        self._multiply(residual, components.mT, slopes).add_(alpha / n * weights)
        code_sums = codes.sum(-1)
        fired = codes.sign_()
        slopes.mul_(fired)
        if parameters.tied:
            toward_components.add_(self._multiply(slopes.mT, x, self._toward_encoder))
        else:
            self._multiply(slopes.mT, x, gradients[1])
        torch.sum(slopes, -2, out=toward_bias)
        return BatchSums(squared_errors, code_sums, fired.sum(-2))
