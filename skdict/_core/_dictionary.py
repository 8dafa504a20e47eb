"""A dictionary as frozen tensors."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
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
    def from_arrays(cls, *, dtype, device, **fields):
        """Return a dictionary whose tensors are copies of numpy arrays."""
        return cls(**_as_tensors(fields, dtype, device))

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
        return _moved(self, args, kwargs)


class GainAndOffset:
    """A relu whose active codes are multiplied and raised, each feature by its own numbers.

    Parameters
    ----------
    gains, offsets : ndarray of shape (m,)
        Positive, and not negative.
    """

    def __init__(self, gains, offsets):
        self._gains, self._offsets = torch.tensor(gains), torch.tensor(offsets)

    def __call__(self, projections):
        """Return codes for all projections (..., m)."""
        gains, offsets = self._gains.to(projections), self._offsets.to(projections)
        return torch.where(projections > 0, projections * gains + offsets, 0)

    def on_active(self, columns, values):
        """Return codes for some projections that are positive, and their features."""
        gains, offsets = self._gains.to(values), self._offsets.to(values)
        return values * gains[columns] + offsets[columns]


@dataclass(frozen=True)
class HostDictionary:
    """A dictionary that decodes on its device and encodes on the host.

    For dictionaries whose codes solve a problem for each row: no matrix gives them.

    Parameters
    ----------
    components : torch.Tensor of shape (m, d)
        The decoding directions.
    offset : torch.Tensor of shape (d,)
        What is added after decoding.
    transform : callable
        Rows as a numpy array (n, d) to codes (n, m).
    """

    components: torch.Tensor
    offset: torch.Tensor
    transform: Callable

    @classmethod
    def from_arrays(cls, *, dtype, device, **fields):
        """Return a dictionary whose tensors are copies of numpy arrays."""
        return cls(**_as_tensors(fields, dtype, device))

    def encode(self, x):
        """Return the codes of rows: (..., d) to (..., m), by way of the host; no gradient."""
        x = x.detach().to(self.components)
        rows = x.reshape(-1, x.shape[-1]).cpu().numpy()
        codes = self.transform(rows)
        codes = codes.toarray() if hasattr(codes, "toarray") else np.asarray(codes)
        return torch.from_numpy(codes).to(x).reshape(*x.shape[:-1], -1)

    def decode(self, codes):
        """Return the rows that codes stand for: (..., m) to (..., d)."""
        return codes @ self.components + self.offset

    def to(self, *args, **kwargs):
        """Return the dictionary with every tensor moved as `torch.Tensor.to` would."""
        return _moved(self, args, kwargs)


def _as_tensors(values, dtype, device):
    """Return fields with each numpy array turned into a tensor of its own."""
    return {
        name: torch.tensor(value, dtype=dtype, device=device)
        if isinstance(value, np.ndarray)
        else value
        for name, value in values.items()
    }


def _moved(dictionary, args, kwargs):
    """Return a copy of a dataclass with its tensors moved."""
    values = ((field.name, getattr(dictionary, field.name)) for field in fields(dictionary))
    moved = {name: v.to(*args, **kwargs) for name, v in values if torch.is_tensor(v)}
    return replace(dictionary, **moved)
