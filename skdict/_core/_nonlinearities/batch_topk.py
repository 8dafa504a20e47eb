"""BatchTopK: keep the largest positive pre-activations of a batch, on average k per row."""

import torch

from skdict._core._group import ALONE
from skdict._core._nonlinearities.topk import TopK
from skdict._core._selection import largest_of_batch
from skdict._core._threshold import shared_threshold


class BatchTopK(TopK):
    r"""c = p for the floor(k n) largest positive p of n rows (Bussmann et al., arXiv:2412.06410).

    Outlier rows do not compete in the selection; their codes are the pre-activations that reach the
    smallest selected one. At inference a threshold replaces the selection, so that the codes of a
    row do not depend on other rows.

    Parameters
    ----------
    k : float or torch.Tensor of shape (stack, 1)
        Mean number of codes per row.
    """

    calibrated = True

    def select(self, pre, eligible, group):
        """Keep the largest pre-activations of the batch."""
        pre.masked_fill_(~largest_of_batch(pre, self.k, eligible, group), 0)

    def entries(self, search, tensors):
        """Return the selected entries of the batch."""
        return search.largest_of_batch(self.k)

    def frozen(self, tensors, rows, group=ALONE):
        """Return one threshold for all features, from the rows or features of all processes."""
        threshold = shared_threshold(tensors, rows, self.k, group)
        return {"thresholds": torch.full_like(tensors.bias, threshold)}
