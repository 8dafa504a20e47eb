"""A dictionary as frozen tensors."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class AffineDictionary:
    r"""Encode and decode on tensors, on their own device, without array conversion.

    .. math:: c = \phi((x - \mu) E^T + b), \qquad \hat x = \nu + c D

    Parameters
    ----------
    components : torch.Tensor of shape (m, d)
        The decoding directions D.
    encoder : torch.Tensor of shape (m, d)
        The encoding directions E.
    encoder_bias : torch.Tensor of shape (m,)
        b.
    center : torch.Tensor of shape (d,)
        What is subtracted before encoding.
    offset : torch.Tensor of shape (d,)
        What is added after decoding.
    nonlinearity : callable, default=torch.relu
        Applied to each code.
    """

    components: torch.Tensor
    encoder: torch.Tensor
    encoder_bias: torch.Tensor
    center: torch.Tensor
    offset: torch.Tensor
    nonlinearity: Callable[[torch.Tensor], torch.Tensor] = torch.relu

    @classmethod
    def from_arrays(cls, *, dtype, device, nonlinearity=torch.relu, **arrays):
        """Return a dictionary whose tensors are copies of numpy arrays."""
        tensors = {
            name: torch.tensor(array, dtype=dtype, device=device) for name, array in arrays.items()
        }
        return cls(nonlinearity=nonlinearity, **tensors)

    def encode(self, x):
        """Return the codes of rows: (..., d) to (..., m)."""
        return self.nonlinearity(
            torch.nn.functional.linear(x - self.center, self.encoder, self.encoder_bias)
        )

    def decode(self, codes):
        """Return the rows that codes stand for: (..., m) to (..., d)."""
        return codes @ self.components + self.offset

    def to(self, *args, **kwargs):
        """Return the dictionary with every tensor moved as `torch.Tensor.to` would."""
        names = ("components", "encoder", "encoder_bias", "center", "offset")
        return replace(self, **{n: getattr(self, n).to(*args, **kwargs) for n in names})
