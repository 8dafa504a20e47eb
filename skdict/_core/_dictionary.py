"""A dictionary as frozen tensors."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch

from skdict._core._selection import largest_of_rows


class Gate:
    r"""The codes of a fitted dictionary.

    .. math:: c_j = g_j p_j + o_j \quad \text{where} \quad p_j > \theta_j, \quad \text{else } 0

    or, with k, where :math:`p_j` is among the k largest positive pre-activations of the row.

    Parameters
    ----------
    thresholds : ndarray of shape (m,), optional
        By default zero.
    gains, offsets : ndarray of shape (m,), optional
        By default one and zero.
    k : int, optional
        Most codes of a row.
    signed : bool, default=False
        With k, take the pre-activations of the largest absolute value instead.
    """

    def __init__(self, thresholds=None, gains=None, offsets=None, k=None, signed=False):
        arrays = thresholds, gains, offsets
        self._numbers = [None if a is None else torch.tensor(a) for a in arrays]
        self._k, self._signed = k, signed

    @property
    def is_searched(self):
        """True if codes can be found by `entries`, without computing all."""
        return not self._signed

    def __call__(self, pre):
        """Return codes for all pre-activations (..., m)."""
        thresholds, gains, offsets = self._like(pre)
        if self._k is None:
            closed = pre <= thresholds
        else:
            closed = ~largest_of_rows(pre.detach().abs() if self._signed else pre, self._k)
            # NaN is neither at or below a threshold nor among the largest: it stays.
            closed &= ~pre.isnan()
        return torch.where(closed, 0, _affine(pre, gains, offsets))

    def cutoff(self, like):
        """Return the threshold of each feature, shape (m,)."""
        return torch.zeros_like(like) + self._like(like)[0]

    def entries(self, search, bias):
        """Return the codes of the rows of a `Search` with biases (m,)."""
        if self._k is None:
            codes = search.above(self.cutoff(bias))
        else:
            codes = search.largest_of_rows(self._k)
        _, *affine = self._like(codes.pre)
        affine = (None if number is None else number[codes.columns] for number in affine)
        return codes._replace(values=_affine(codes.pre, *affine))

    def _like(self, tensor):
        thresholds, gains, offsets = (n if n is None else n.to(tensor) for n in self._numbers)
        return 0 if thresholds is None else thresholds, gains, offsets


def _affine(pre, gains, offsets):
    scaled = pre if gains is None else pre * gains
    return scaled if offsets is None else scaled + offsets


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
    nonlinearity : callable, default=Gate()
        Pre-activations to codes.
    """

    components: torch.Tensor
    encoder: torch.Tensor
    encoder_bias: torch.Tensor
    center: torch.Tensor
    offset: torch.Tensor
    nonlinearity: Callable[[torch.Tensor], torch.Tensor] = field(default_factory=Gate)

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
    values = ((f.name, getattr(dictionary, f.name)) for f in fields(dictionary))
    moved = {name: v.to(*args, **kwargs) for name, v in values if torch.is_tensor(v)}
    return replace(dictionary, **moved)
