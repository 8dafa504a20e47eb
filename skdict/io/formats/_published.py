"""Convert a dictionary from the units of its file to the one fitted form."""

from dataclasses import dataclass

import numpy as np

from skdict._core import Weights
from skdict.decomposition import PretrainedDictionary, PretrainedTranscoder
from skdict.io.formats._scaling import product, row_norms, scaled

# Decoder rows whose norms are this close to 1 count as rounded unit vectors.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Published:
    r"""Dictionary in the units of its file.

    .. math::
        p = (s\, x - b_{dec}\, [\text{subtracts\_bias}])\, E^T + b, \qquad
        f = g\, p + o \text{ where } p > \theta, \text{ else } 0, \qquad
        y = (f D + b_{dec} + x A) / t

    With `k`, codes are kept at the k largest positive p of each row instead.

    Parameters
    ----------
    encoder : ndarray of shape (n, d)
        Encoder directions E.
    encoder_bias : ndarray of shape (n,)
        Encoder biases b.
    decoder : ndarray of shape (n, d_out)
        Decoder directions D, of any length.
    decoder_bias : ndarray of shape (d_out,)
        Decoder bias.
    subtracts_bias : bool
        If True, the decoder bias is subtracted before encoding.
    thresholds : ndarray of shape (n,) or float, optional
        Thresholds; a ReLU precedes them, so that negative ones act as zero.
    gains, offsets : ndarray of shape (n,), optional
        Gains g and offsets o.
    k : int, optional
        Maximum number of codes per row.
    signed : bool, default=False
        If True, `k` selects the pre-activations of largest absolute value.
    ranks_by_norm : bool, default=False
        If True, thresholds or `k` apply to p times the norm of the decoder direction.
    input_scale, output_scale : float, default=1.0
        Scales s of the rows and t of the reconstructions.
    row_norm : {"layer_norm", "constant_norm"}, optional
        Normalisation of each row, see `PretrainedDictionary`.
    is_transcoder : bool, default=False
        If True, y is a prediction of other rows than x.
    skip : ndarray of shape (d, d_out), optional
        Skip connection A of a transcoder.
    blocks : tuple of int, optional
        Sizes of the blocks of columns of a crosscoder.
    scale : float or ndarray of shape (n_blocks,), default=1.0
        Scale of centred rows in training, or of each of several blocks. It is only stated: rows
        are scaled by s and the encoder.
    """

    encoder: np.ndarray
    encoder_bias: np.ndarray
    decoder: np.ndarray
    decoder_bias: np.ndarray
    subtracts_bias: bool
    thresholds: np.ndarray | float | None = None
    gains: np.ndarray | None = None
    offsets: np.ndarray | None = None
    k: int | None = None
    signed: bool = False
    ranks_by_norm: bool = False
    input_scale: float = 1.0
    output_scale: float = 1.0
    row_norm: str | None = None
    is_transcoder: bool = False
    skip: np.ndarray | None = None
    blocks: tuple | None = None
    scale: float | np.ndarray = 1.0

    def fitted(self, metadata):
        """Return the dictionary in the one fitted form, with its metadata."""
        if self.is_transcoder:
            return PretrainedTranscoder._of(self._weights(), metadata)
        return PretrainedDictionary._of(
            self._weights(), metadata, row_norm=self.row_norm, blocks=self.blocks
        )

    def _weights(self):
        """Return weights with the same reconstructions, folded in float64 and rounded once."""
        norms = _norms(self.decoder)
        lengths = np.where(norms == 0, 1, norms)
        # With ranks by norm, a feature with a zero decoder row must not outrank others.
        factors = norms if self.ranks_by_norm else np.ones_like(norms)
        encoder = self.encoder
        mean = self.decoder_bias.astype(np.float64) / self.output_scale
        form = {
            "components": scaled(self.decoder, 1 / lengths),
            "encoder": scaled(encoder, factors * self.input_scale),
            "encoder_bias": (self.encoder_bias + self._shift(mean)) * factors,
            **self._gate(1 if self.ranks_by_norm else lengths),
        }
        if self.is_transcoder:
            form |= {"mean": np.zeros(encoder.shape[1]), "target_mean": mean, "target_scale": 1.0}
            if self.skip is not None:
                form["skip"] = scaled(self.skip, np.full(len(self.skip), 1 / self.output_scale))
        else:
            form["mean"] = mean
        dtype = np.float64 if self.decoder.dtype == np.float64 else np.float32
        rounded = {
            name: value.astype(dtype, order="C") if isinstance(value, np.ndarray) else value
            for name, value in form.items()
        }
        return Weights(**rounded, scale=self.scale, k=self.k, signed=self.signed or None)

    def _shift(self, mean):
        """Return what the encoder adds to its bias because the mean is subtracted from rows."""
        if self.is_transcoder:
            return 0.0
        kept = self.input_scale * mean
        if self.subtracts_bias:
            kept = kept - self.decoder_bias
        return product(self.encoder, kept) if kept.any() else 0.0

    def _gate(self, lengths):
        """Return thresholds, gains and offsets for codes in units of the reconstructions."""
        n = len(self.encoder_bias)
        gains = np.ones(n) if self.gains is None else self.gains.astype(np.float64)
        gains = gains * lengths / self.output_scale
        gate = {} if (gains == 1).all() else {"code_gains": gains}
        if self.offsets is not None:
            gate["code_offsets"] = self.offsets * (lengths / self.output_scale)
        if self.thresholds is not None:
            gate["thresholds"] = np.maximum(np.broadcast_to(self.thresholds, n), 0.0)
        return gate


def gated(encoder, gate_bias, magnitude_bias, log_gains, **others):
    r"""Return a gated dictionary as a `Published` one.

    With :math:`p = u E^T + b_{gate}`, its codes are :math:`e^r p + b_{mag} - e^r b_{gate}` where
    that and p are positive.
    """
    gains = np.exp(log_gains.astype(np.float64))
    offsets = magnitude_bias - gains * gate_bias
    thresholds = np.maximum(-offsets / gains, 0.0)
    form = {"gains": gains, "offsets": offsets, "thresholds": thresholds}
    return Published(encoder, gate_bias, **form, **others)


def _norms(decoder):
    """Return the norms of the decoder rows in float64; those of rounded unit vectors are 1."""
    norms = row_norms(decoder)
    norms[np.abs(norms - 1) < ROUNDING] = 1
    return norms
