"""The objective of a sparse autoencoder, and its gradient over all codes."""

import torch

from skdict._core._parameters import BatchSums


class DenseObjective:
    r"""Loss and gradient of one batch over all codes, in buffers allocated once.

    For rows x (n, d), unit directions D (m, d), encoder E (m, d; D when tied), biases b:

    .. math::
        c = \mathrm{relu}(x E^T + b), \qquad
        L = \frac{1}{n} \sum_i \|x_i - c_i D\|^2 + \frac{\alpha}{n} \sum_i \|c_i\|_1

    With r = cD - x and g = (2 r D^T + alpha) / n where c > 0:
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
        m, d = parameters.components.shape
        like = parameters.components
        self._multiply = multiply
        self._codes = like.new_empty(batch_size, m)
        self._slopes = like.new_empty(batch_size, m)
        self._residual = like.new_empty(batch_size, d)
        self._toward_encoder = torch.empty_like(like) if parameters.tied else None

    def __call__(self, x, parameters, alpha, gradients):
        """Fill the gradients and return the sums of the batch.

        The components' gradient still has its part along the components.
        """
        n, components = len(x), parameters.components
        codes, slopes, residual = self._codes[:n], self._slopes[:n], self._residual[:n]
        toward_components, *_, toward_bias = gradients
        self._multiply(x, parameters.encoder.T, codes).add_(parameters.bias).relu_()
        self._multiply(codes, components, residual).sub_(x)
        flat = residual.view(-1)
        squared_error = torch.dot(flat, flat)
        residual.mul_(2 / n)
        self._multiply(codes.T, residual, toward_components)
        self._multiply(residual, components.T, slopes).add_(alpha / n)
        code_sum = codes.sum()
        fired = codes.sign_()
        slopes.mul_(fired)
        if parameters.tied:
            toward_components.add_(self._multiply(slopes.T, x, self._toward_encoder))
        else:
            self._multiply(slopes.T, x, gradients[1])
        torch.sum(slopes, 0, out=toward_bias)
        return BatchSums(squared_error, code_sum, fired.sum(0))
