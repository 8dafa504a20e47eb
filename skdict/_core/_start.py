"""Initialise a dictionary before training."""

import torch

from skdict._core._tensors import Tensors


def random_tensors(n_components, width, *, tied, nonlinearity, generator, dtype, device):
    """Return tensors with random unit directions, zero biases and the nonlinearity's own tensors.

    Directions are drawn in float32 on the CPU and then cast, so the initial values are the same
    for every dtype and device. An untied encoder starts as a copy of the decoder.
    """
    directions = torch.randn(n_components, width, generator=generator)
    directions /= torch.linalg.vector_norm(directions, dim=1, keepdim=True)
    components = directions.to(device=device, dtype=dtype)
    values = {"components": components}
    if not tied:
        values["encoder"] = components.clone()
    values["bias"] = components.new_zeros(n_components)
    learned = nonlinearity.learned(n_components)
    return Tensors(values | {name: start.to(values["bias"]) for name, start in learned.items()})


def calibrate_bias(encoder, sample, share):
    """Return biases that make each feature's pre-activation positive on a given share of rows.

    With zero biases half of all pre-activations are positive at first, and the penalty then
    silences some features for good.

    Parameters
    ----------
    encoder : torch.Tensor of shape (m, d)
        Encoder directions.
    sample : torch.Tensor of shape (n, d)
        Rows after centring and scaling.
    share : float
        Share of rows, between 0 and 1. Every feature is positive on at least one sampled row, even
        if many rows are equal.

    Returns
    -------
    torch.Tensor of shape (m,)
    """
    bias = encoder.new_empty(len(encoder))
    rank = len(sample) - max(1, round(share * len(sample)))
    # A few features at a time, because the projections of all would be a dense (n, m) array.
    for part in torch.arange(len(encoder)).split(1024):
        projections = sample @ encoder[part].T
        threshold = projections.kthvalue(max(rank, 1), dim=0).values
        # If many equal rows share the largest projection, use the next smaller one.
        largest = projections.amax(dim=0)
        below = projections.masked_fill(projections >= largest, -torch.inf).amax(dim=0)
        is_largest = (threshold >= largest) & below.isfinite()
        bias[part] = -torch.where(is_largest, below, threshold)
    return bias
