"""TopK: keep the k largest positive pre-activations of each row."""

import numpy as np
import torch

from skdict._core._nonlinearities.relu import Relu
from skdict._core._selection import largest_of_rows


class TopK(Relu):
    r"""c = p for the k largest positive p of a row, else 0 (Gao et al. 2024, arXiv:2406.04093).

    Parameters
    ----------
    k : int or torch.Tensor of shape (stack, 1)
        Maximum number of codes per row.
    most : int, optional
        Largest k in a stack.
    """

    penalty = None

    def __init__(self, k, most=None):
        self.k, self._most = k, most

    def share_active(self, n_components):
        """Return k / m."""
        return self.k / n_components

    def select(self, pre, eligible, group):
        """Keep the k largest pre-activations of each row."""
        chosen = largest_of_rows(pre, self.k, self._most, group.features)
        pre.masked_fill_(~chosen, 0)

    def entries(self, search, tensors):
        """Return the k largest entries of each row."""
        return search.largest_of_rows(self.k)

    def frozen(self, tensors, rows):
        """Return k, because the selection is the same at inference."""
        return {"k": self.k}

    def stacked(self, several, like):
        """Return one nonlinearity that holds the k of each dictionary in the stack."""
        ks = [one.k for one in several]
        # From numpy, fractions stay float64, so floor(k n) is that of a single dictionary.
        return type(self)(torch.from_numpy(np.array(ks)).to(like.device)[:, None], max(ks))
