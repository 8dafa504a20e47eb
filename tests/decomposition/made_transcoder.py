"""Transcoders made by hand from their weights."""

import numpy as np

from skdict import SparseTranscoder


def make_transcoder(encoder, encoder_bias, components, target_mean, **others):
    """Return a fitted transcoder; others are attributes such as `skip_`, `k_` or `mean_`."""
    transcoder = SparseTranscoder(len(components), device="cpu")
    attributes = {
        "components_": components,
        "encoder_": encoder,
        "encoder_bias_": encoder_bias,
        "mean_": np.zeros(encoder.shape[1], np.float32),
        "target_mean_": target_mean,
    } | others
    for name, value in attributes.items():
        setattr(transcoder, name, np.float32(value) if name != "k_" else value)
    transcoder.scale_ = transcoder.target_scale_ = 1.0
    transcoder.history_, transcoder.n_features_in_ = [], encoder.shape[1]
    return transcoder


def relu_mlp_as_transcoder(first, second):
    """Return the transcoder whose features are the neurons of a ReLU MLP of two linear modules."""
    weights = (
        first.weight.detach().numpy(),
        first.bias.detach().numpy(),
        second.weight.detach().numpy().T,
        second.bias.detach().numpy(),
    )
    return make_transcoder(*weights)


def codes_and_skip(transcoder, x):
    """Return the codes of rows and the skip part of their predictions, written out."""
    pre = (x - transcoder.mean_) @ transcoder.encoder_.T + transcoder.encoder_bias_
    if hasattr(transcoder, "k_"):
        closed = pre.argsort(axis=-1).argsort(axis=-1) < pre.shape[-1] - transcoder.k_
        codes = np.where(closed, 0, np.maximum(pre, 0))
    else:
        codes = np.where(pre > getattr(transcoder, "thresholds_", 0), pre, 0)
    skip = getattr(transcoder, "skip_", np.zeros((x.shape[-1], transcoder.components_.shape[1])))
    return codes, (x - transcoder.mean_) @ skip
