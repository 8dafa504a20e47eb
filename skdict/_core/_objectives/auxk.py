r"""AuxK: dead features reconstruct the residual (Gao et al. 2024, arXiv:2406.04093).

With the residual :math:`e = y - \hat y`, held constant, and its reconstruction :math:`\hat e` from
the :math:`k_{aux}` dead features of largest positive pre-activation, the auxiliary loss is

.. math::
    L_{aux} = \frac{1}{32}
    \frac{\sum_i w_i \|e_i - \hat e_i\|^2}{\sum_i w_i \|e_i - \bar e\|^2},
    \qquad k_{aux} = \min(d / 2, \text{number dead}),

where d is the width of y. An autoencoder has y = x. The gradient reaches the decoder, encoder and
biases of dead features. Dividing by the variance of the residual keeps the weight of the term
constant as the residual becomes small.
"""

from typing import NamedTuple

import torch

from skdict._core._shared_selection import largest_of_shared_rows

WEIGHT = 1 / 32


class Extra(NamedTuple):
    """Gradients of some features, to add to those of the main loss."""

    features: torch.Tensor | None
    """Indices of the features, shape (k,); None for all features."""
    gradients: dict
    """Gradients by name of the tensor, shape (..., k, d), or (..., k) for biases."""


def aux_gradients(model, x, factors, residual, dead):
    r"""Return the gradients of the auxiliary loss, or None if no feature is dead.

    Parameters
    ----------
    model : Model
        Dictionary in training.
    x : torch.Tensor of shape (n, d)
        Rows.
    factors : torch.Tensor of shape (n,)
        Weights of the rows, divided by their number.
    residual : torch.Tensor of shape (..., n, d)
        Residual :math:`y - \hat y`.
    dead : torch.Tensor of shape (..., m), dtype bool
        Mask of the dead features.

    Returns
    -------
    Extra or None
        Gradients of the dead features on the CPU, and of all features on a GPU, where counting the
        dead ones would synchronise with the device.
    """
    tensors, features, shared = model.tensors, None, model.group.features
    n_dead = dead.shape[-1]
    if dead.device.type == "cpu" and dead.ndim == 1:
        features = dead.nonzero().squeeze(1)
        n_dead = shared.total(len(features))
        if n_dead == 0:
            return None
        tensors = {name: tensors[name][features] for name in ("components", "encoder", "bias")}
        dead = None
    codes = _codes(tensors, x, dead, n_dead, shared)
    scale = 2 * WEIGHT / _variance(residual, factors, model.group)
    pull = torch.matmul(codes, tensors["components"])
    shared.sum_([pull])
    pull.sub_(residual)
    pull.mul_(factors[:, None] * scale[..., None, None])
    slopes = (pull @ tensors["components"].mT).masked_fill_(codes == 0, 0)
    gradients = {"components": codes.mT @ pull, "bias": slopes.sum(-2)}
    gradients["encoder"] = slopes.mT @ x
    if model.tensors.tied:
        gradients["components"] += gradients.pop("encoder")
    return Extra(features, gradients)


def _variance(residual, factors, group):
    """Return the weighted sum of squared deviations of the rows from their mean, (...,)."""
    total, mean = factors.sum(), (factors @ residual).unsqueeze(-2)
    group.rows.sum_([total, mean])
    norms = torch.linalg.vector_norm(residual - mean / total, dim=-1)
    variance = (factors * norms.square()).sum(-1)
    group.rows.sum_([variance])
    return variance


def _codes(tensors, x, dead, n_dead, shared):
    """Return the codes (..., n, k) of dead features, keeping the largest d_out / 2 of each row.

    If `dead` is None, all features are dead. At most `n_dead` are so in all processes.
    """
    pre = torch.matmul(x, tensors["encoder"].mT).add_(tensors["bias"].unsqueeze(-2)).clamp_(min=0)
    if dead is not None:
        pre.masked_fill_(~dead.unsqueeze(-2), 0)
    most = max(1, tensors["components"].shape[-1] // 2)
    if shared.size > 1:
        if n_dead > most:
            pre.masked_fill_(~largest_of_shared_rows(pre, most, shared), 0)
    elif pre.shape[-1] > most:
        top = pre.topk(most, dim=-1, sorted=False)
        pre = torch.zeros_like(pre).scatter_(-1, top.indices, top.values)
    return pre
