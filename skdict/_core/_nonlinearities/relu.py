"""Codes are the positive parts of pre-activations."""

import torch


class Relu:
    """c = max(p, 0); the protocol is that of the package."""

    overwrites_pre = True

    def learned(self, n_components):
        """Return no tensors."""
        return {}

    def feature_cutoff(self, tensors):
        """Return zeros: what is not positive carries nothing."""
        return torch.zeros_like(tensors.bias)

    def values(self, pre, learned, out=None):
        """Return the positive parts of pre-activations."""
        return torch.clamp(pre, min=0, out=out)

    def backward(self, codes, slopes, learned):
        """Pass slopes on where codes are positive."""
        torch.ops.aten.threshold_backward(slopes, codes.values, 0, grad_input=slopes)
        return slopes, {}

    def frozen(self, tensors):
        """Return no tensors: the threshold is zero."""
        return {}
