r"""Dead features rebuild what the others leave (AuxK; Gao et al. 2024, arXiv:2406.04093).

With the residual :math:`e = x - \hat x`, taken as given, and :math:`\hat e` what the
:math:`k_{aux}` dead features of largest positive pre-activation rebuild of it,

.. math::
    L_{aux} = \frac{1}{32}
    \frac{\sum_i w_i \|e_i - \hat e_i\|^2}{\sum_i w_i \|e_i - \bar e\|^2},
    \qquad k_{aux} = \min(d / 2, \text{number dead}).

Its gradient reaches decoder, encoder and biases of dead features. The residual's own variance in
the denominator keeps the weight of the term the same however small the residual becomes.
"""

from typing import NamedTuple

import torch

WEIGHT = 1 / 32


class Extra(NamedTuple):
    """Gradients of some features, to be added to those of the codes."""

    features: torch.Tensor | None
    """Which, shape (k,); None for all."""
    gradients: dict
    """By name of the tensor: shape (..., k, d), or (..., k) for biases."""


def aux_gradients(model, x, factors, residual, dead):
    r"""Return the gradients of the term for dead features, or None if there is none.

    Parameters
    ----------
    model : Model
        What is trained.
    x : torch.Tensor of shape (n, d)
        Rows.
    factors : torch.Tensor of shape (n,)
        Weights of the rows, divided by their number.
    residual : torch.Tensor of shape (..., n, d)
        :math:`x - \hat x`.
    dead : torch.Tensor of shape (..., m), dtype bool
        Features that have not fired for long.

    Returns
    -------
    Extra or None
        On the CPU of dead features alone. On a GPU, where counting them would wait for the
        device, of all.
    """
    tensors, features = model.tensors, None
    if dead.device.type == "cpu" and dead.ndim == 1:
        features = dead.nonzero().squeeze(1)
        if len(features) == 0:
            return None
        tensors = {name: tensors[name][features] for name in ("components", "encoder", "bias")}
        dead = None
    codes = _codes(tensors, x, dead)
    scale = 2 * WEIGHT / _variance(residual, factors, model.group)
    pull = torch.matmul(codes, tensors["components"]).sub_(residual)
    pull.mul_(factors[:, None] * scale[..., None, None])
    slopes = (pull @ tensors["components"].mT).masked_fill_(codes == 0, 0)
    gradients = {"components": codes.mT @ pull, "bias": slopes.sum(-2)}
    gradients["encoder"] = slopes.mT @ x
    if model.tensors.tied:
        gradients["components"] += gradients.pop("encoder")
    return Extra(features, gradients)


def _variance(residual, factors, group):
    """Return the weighted sum of squared deviations of all rows from their mean, (...,)."""
    total, mean = factors.sum(), (factors @ residual).unsqueeze(-2)
    group.sum_([total, mean])
    norms = torch.linalg.vector_norm(residual - mean / total, dim=-1)
    variance = (factors * norms.square()).sum(-1)
    group.sum_([variance])
    return variance


def _codes(tensors, x, dead):
    """Return the codes (..., n, k) of dead features, the largest d / 2 of each row.

    None for `dead` means that all are.
    """
    pre = torch.matmul(x, tensors["encoder"].mT).add_(tensors["bias"].unsqueeze(-2)).clamp_(min=0)
    if dead is not None:
        pre.masked_fill_(~dead.unsqueeze(-2), 0)
    most = max(1, x.shape[-1] // 2)
    if pre.shape[-1] > most:
        top = pre.topk(most, dim=-1, sorted=False)
        pre = torch.zeros_like(pre).scatter_(-1, top.indices, top.values)
    return pre
