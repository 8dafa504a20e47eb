"""Where training starts."""

import torch

from skdict._core._tensors import Tensors


def random_tensors(n_components, width, *, tied, nonlinearity, generator, dtype, device):
    """Return random unit directions, zero biases and what the nonlinearity learns.

    Drawn in float32 on the CPU and cast, so that every dtype and device starts alike.
    An untied encoder starts as a copy of the decoder.
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
    """Return biases with which each feature's pre-activation is positive on a share of rows.

    With zero biases half of all pre-activations are positive at first; a penalty then silences
    features that never return.

    Parameters
    ----------
    encoder : torch.Tensor of shape (m, d)
        Encoder directions.
    sample : torch.Tensor of shape (n, d)
        Rows after centring and scaling.
    share : float
        Between 0 and 1; at least one row of the sample is above zero, whatever rows are equal.

    Returns
    -------
    torch.Tensor of shape (m,)
    """
    bias = encoder.new_empty(len(encoder))
    rank = len(sample) - max(1, round(share * len(sample)))
    # A few features at a time: the projections of all would be a dense (n, m) array.
    for part in torch.arange(len(encoder)).split(1024):
        projections = sample @ encoder[part].T
        threshold = projections.kthvalue(max(rank, 1), dim=0).values
        # Where the largest projection is that of many equal rows, the next one below it.
        largest = projections.amax(dim=0)
        below = projections.masked_fill(projections >= largest, -torch.inf).amax(dim=0)
        is_largest = (threshold >= largest) & below.isfinite()
        bias[part] = -torch.where(is_largest, below, threshold)
    return bias
