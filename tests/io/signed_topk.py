"""An activation of a user: the k pre-activations of the largest absolute value of each row."""

import torch

from skdict.decomposition import Nonlinearity


class SignedTopK(Nonlinearity):
    """Keep the k pre-activations of the largest absolute value, with their signs."""

    def __init__(self, k):
        self.k = k

    def select(self, pre, eligible, group):
        kept = torch.zeros_like(pre, dtype=torch.bool)
        kept.scatter_(-1, pre.abs().topk(self.k, dim=-1).indices, True)
        pre.masked_fill_(~kept, 0)

    def values(self, pre, learned, out=None):
        return pre if out is None else out.copy_(pre)

    def backward(self, codes, slopes, learned):
        return slopes.masked_fill_(codes.values == 0, 0), {}

    def frozen(self, tensors, rows):
        return {"k": self.k, "signed": True}
