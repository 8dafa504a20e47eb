"""Fitted dictionaries as frozen tensors."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch

from skdict._core._selection import largest_of_rows


class Gate:
    r"""Map pre-activations to the codes of a fitted dictionary.

    .. math:: c_j = g_j p_j + o_j \quad \text{where} \quad p_j > \theta_j, \quad \text{else } 0

    With `k`, the condition is instead that :math:`p_j` is among the k largest positive
    pre-activations of the row.

    Parameters
    ----------
    thresholds : ndarray of shape (m,), optional
        Threshold of each feature; zero by default.
    gains, offsets : ndarray of shape (m,), optional
        Scale and offset of each feature's code; one and zero by default.
    k : int, optional
        Maximum number of codes per row.
    signed : bool, default=False
        If True, `k` selects the pre-activations of largest absolute value.
    """

    def __init__(self, thresholds=None, gains=None, offsets=None, k=None, signed=False):
        arrays = thresholds, gains, offsets
        self._numbers = [None if a is None else torch.tensor(a) for a in arrays]
        self._k, self._signed = k, signed

    @property
    def is_searched(self):
        """True if `entries` can find the codes without computing all pre-activations."""
        return not self._signed

    @property
    def gains(self):
        """Scale of each feature's code, shape (m,); None means 1."""
        return self._numbers[1]

    def __call__(self, pre):
        """Return the codes of pre-activations (..., m)."""
        thresholds, gains, offsets = self._like(pre)
        if self._k is None:
            closed = pre <= thresholds
        else:
            closed = ~largest_of_rows(pre.detach().abs() if self._signed else pre, self._k)
            # Let NaN through, as thresholds do, although it is never among the largest.
            closed &= ~pre.isnan()
        return torch.where(closed, 0, _affine(pre, gains, offsets))

    def cutoff(self, like):
        """Return the threshold of each feature, shape (m,)."""
        return torch.zeros_like(like) + self._like(like)[0]

    def entries(self, search, bias):
        """Return the codes of the rows of a `Search`, given the biases (m,)."""
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
class Affine:
    r"""Encoder and decoder that are affine but for a nonlinearity, on tensors on their own device.

    .. math:: c = \phi((x - \mu) E^T + b), \qquad \nu + c D

    Parameters
    ----------
    components : torch.Tensor of shape (m, d_out)
        Decoder directions :math:`D`.
    encoder : torch.Tensor of shape (m, d)
        Encoder directions :math:`E`.
    encoder_bias : torch.Tensor of shape (m,)
        Encoder bias :math:`b`.
    center : torch.Tensor of shape (d,)
        Vector :math:`\mu` subtracted before encoding.
    offset : torch.Tensor of shape (d_out,)
        Vector :math:`\nu` added after decoding.
    nonlinearity : callable, default=Gate()
        Function :math:`\phi` from pre-activations to codes.
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
        """Encode rows (..., d) to codes (..., m)."""
        return self.nonlinearity(
            torch.nn.functional.linear(x - self.center, self.encoder, self.encoder_bias)
        )

    def decode(self, codes):
        """Decode codes (..., m) to rows (..., d_out)."""
        return codes @ self.components + self.offset

    @property
    def n_inputs(self):
        """Width of the rows that it encodes."""
        return len(self.center)

    def to(self, *args, **kwargs):
        """Return the dictionary with every tensor moved as `torch.Tensor.to` would."""
        return _moved(self, args, kwargs)


class AffineDictionary(Affine):
    r"""Dictionary that encodes and decodes tensors on their own device.

    .. math:: c = \phi((x - \mu) E^T + b), \qquad \hat x = \nu + c D

    Its tensors are those of `Affine`, with d_out equal to d.
    """


@dataclass(frozen=True)
class AffineTranscoder(Affine):
    r"""Transcoder that encodes, decodes and predicts tensors on their own device.

    .. math:: c = \phi((x - \mu) E^T + b), \qquad \hat y = \nu + c D + (x - \mu) A

    It is not an `AffineDictionary`, because it does not reconstruct the rows that it encodes.

    Parameters
    ----------
    components, encoder, encoder_bias, center, offset, nonlinearity
        See `Affine`.
    skip : torch.Tensor of shape (d, d_out), optional
        Skip connection :math:`A`.
    """

    skip: torch.Tensor | None = None

    def predict(self, x):
        """Predict the targets (..., d_out) of rows (..., d)."""
        codes = self.encode(x)
        return self.decode(codes) + self.rest(x, codes)

    def rest(self, x, codes):
        """Return the part of the predictions for rows (..., d) that their codes do not decode to.

        It is the skip connection, a tensor (..., d_out), or 0 if there is none.
        """
        return 0 if self.skip is None else (x - self.center) @ self.skip


@dataclass(frozen=True)
class Host:
    """Encoder on the host with a decoder on its own device.

    It serves estimators without an encoder matrix, such as those whose codes are the solution of
    an optimisation problem for each row.

    Parameters
    ----------
    components : torch.Tensor of shape (m, d_out)
        Decoder directions.
    offset : torch.Tensor of shape (d_out,)
        Vector added after decoding.
    transform : callable
        Function from rows, a numpy array (n, d), to codes (n, m).
    """

    components: torch.Tensor
    offset: torch.Tensor
    transform: Callable

    @classmethod
    def from_arrays(cls, *, dtype, device, **fields):
        """Return a dictionary whose tensors are copies of numpy arrays."""
        return cls(**_as_tensors(fields, dtype, device))

    def encode(self, x):
        """Encode rows (..., d) to codes (..., m) on the host, without gradients."""
        return self._on_the_host(self.transform, x)

    def decode(self, codes):
        """Decode codes (..., m) to rows (..., d_out)."""
        return codes @ self.components + self.offset

    def to(self, *args, **kwargs):
        """Return the dictionary with every tensor moved as `torch.Tensor.to` would."""
        return _moved(self, args, kwargs)

    def _on_the_host(self, function, x):
        x = x.detach().to(self.components)
        rows = x.reshape(-1, x.shape[-1]).cpu().numpy()
        values = function(rows)
        values = values.toarray() if hasattr(values, "toarray") else np.asarray(values)
        return torch.from_numpy(values).to(x).reshape(*x.shape[:-1], -1)


class HostDictionary(Host):
    """Dictionary that encodes on the host; see `Host`, with d_out equal to d."""

    @property
    def n_inputs(self):
        """Width of the rows that it encodes."""
        return len(self.offset)


@dataclass(frozen=True)
class HostTranscoder(Host):
    """Transcoder that encodes and predicts on the host.

    Parameters
    ----------
    components, offset, transform
        See `Host`.
    predictions : callable
        Function from rows, a numpy array (n, d), to predicted targets (n, d_out) or (n,).
    n_inputs : int
        Width d of the rows that it encodes.
    """

    predictions: Callable
    n_inputs: int

    def predict(self, x):
        """Predict the targets (..., d_out) of rows (..., d) on the host, without gradients."""
        return self._on_the_host(self.predictions, x)

    def rest(self, x, codes):
        """Return the part of the predictions for rows (..., d) that their codes do not decode to.

        It is a tensor (..., d_out), computed on the host.
        """
        return self.predict(x) - self.decode(codes)


def _as_tensors(values, dtype, device):
    """Return fields with each numpy array copied to a tensor."""
    return {
        name: torch.tensor(value, dtype=dtype, device=device)
        if isinstance(value, np.ndarray)
        else value
        for name, value in values.items()
    }


def _moved(dictionary, args, kwargs):
    """Return a copy of a dataclass with its tensors moved by `torch.Tensor.to`."""
    values = ((f.name, getattr(dictionary, f.name)) for f in fields(dictionary))
    moved = {name: v.to(*args, **kwargs) for name, v in values if torch.is_tensor(v)}
    return replace(dictionary, **moved)
