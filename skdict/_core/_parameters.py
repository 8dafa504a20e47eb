"""What is trained, and where it starts."""

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
    """What a step measures on its batch, left on the device."""

    squared_errors: torch.Tensor
    """||x - x_hat||^2 of each row, shape (n,)."""
    code_sums: torch.Tensor
    """Sum of the codes of each row, shape (n,)."""
    n_fired: torch.Tensor
    """Rows on which each feature fired, shape (m,)."""


def random_parameters(n_components, width, *, tied, generator, dtype, device):
    """Return random unit directions and zero biases.

    Drawn in float32 on the CPU and cast, so that every dtype and device starts alike.
    An untied encoder starts as a copy of the decoder.
    """
    directions = torch.randn(n_components, width, generator=generator)
    directions /= torch.linalg.vector_norm(directions, dim=1, keepdim=True)
    components = directions.to(device=device, dtype=dtype)
    encoder = components if tied else components.clone()
    return Parameters(components, encoder, components.new_zeros(n_components))


def calibrate_bias(parameters, sample, share):
    """Set each bias so that its feature fires on a share of the sample's rows.

    With zero biases half of all codes fire at first, and the penalty then kills features
    that never return.

    Parameters
    ----------
    parameters : Parameters
        Changed in place.
    sample : torch.Tensor of shape (n, d)
        Rows after centring and scaling.
    share : float
        Between 0 and 1; at least one row of the sample fires, whatever rows are equal.
    """
    rank = len(sample) - max(1, round(share * len(sample)))
    # A few components at a time: the projections of all would be a dense (n, m) array.
    for part in torch.arange(len(parameters.bias)).split(1024):
        projections = sample @ parameters.encoder[part].T
        threshold = projections.kthvalue(max(rank, 1), dim=0).values
        # Where the largest projection is that of many equal rows, the next one below it.
        largest = projections.amax(dim=0)
        below = projections.masked_fill(projections >= largest, -torch.inf).amax(dim=0)
        tied = (threshold >= largest) & below.isfinite()
        parameters.bias[part] = -torch.where(tied, below, threshold)
