"""Weights as tensors that encode and decode."""

import torch

from skdict._core import AffineDictionary, GainAndOffset


def encoding_arrays(weights):
    """Return centre, encoder, bias and nonlinearity, as `AffineDictionary` names them."""
    nonlinearity = torch.relu
    if weights.code_gains is not None:
        nonlinearity = GainAndOffset(weights.code_gains, weights.code_offsets)
    return {
        "center": weights.mean,
        "encoder": weights.encoder,
        "encoder_bias": weights.encoder_bias,
        "nonlinearity": nonlinearity,
    }


def freeze(weights, dtype, device):
    """Return weights as an `AffineDictionary`.

    Parameters
    ----------
    weights : Weights
        Copied.
    dtype : numpy dtype
        Dtype of the tensors.
    device : torch.device
        Their device.
    """
    return AffineDictionary.from_arrays(
        components=weights.components,
        offset=weights.mean,
        **encoding_arrays(weights),
        dtype=getattr(torch, dtype.name),
        device=device,
    )
