"""Freeze trained weights into tensors that encode and decode."""

import torch

from skdict._core import AffineDictionary, AffineTranscoder, Gate


def encoding_arrays(weights):
    """Return centre, encoder, bias and nonlinearity under the names of `AffineDictionary`."""
    return {
        "center": weights.mean,
        "encoder": weights.encoder,
        "encoder_bias": weights.encoder_bias,
        "nonlinearity": Gate(
            weights.thresholds,
            weights.code_gains,
            weights.code_offsets,
            weights.k,
            bool(weights.signed),
        ),
    }


def freeze(weights, dtype, device):
    """Return weights as an `AffineDictionary`, or as an `AffineTranscoder`.

    Parameters
    ----------
    weights : Weights
        Weights in the units of the rows; they are copied.
    dtype : numpy dtype
        Dtype of the tensors.
    device : torch.device
        Device of the tensors.
    """
    kind, ours = AffineDictionary, {}
    if weights.target_mean is not None:
        kind, ours = AffineTranscoder, {"skip": weights.skip}
    return kind.from_arrays(
        components=weights.components,
        offset=weights.offset,
        **encoding_arrays(weights),
        **ours,
        dtype=getattr(torch, dtype.name),
        device=device,
    )
