"""ReLU: codes are the positive parts of pre-activations."""

import torch

from skdict._core._nonlinearities.base import Nonlinearity


class Relu(Nonlinearity):
    """c = max(p, 0)."""

    penalty = "l1"
    overwrites_pre = True

    def share_active(self, n_components):
        """Return None, because the penalty determines the fraction."""
        return None

    def values(self, pre, learned, out=None):
        """Return the positive parts of pre-activations."""
        return torch.clamp(pre, min=0, out=out)

    def backward(self, codes, slopes, learned):
        """Pass gradients through where codes are positive."""
        torch.ops.aten.threshold_backward(slopes, codes.values, 0, grad_input=slopes)
        return slopes, {}

    def frozen(self, tensors, rows):
        """Return an empty dict, because the threshold is zero."""
        return {}
