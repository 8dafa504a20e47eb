"""Running sums over batches, of one dictionary or of several stacked ones."""

from dataclasses import dataclass

import torch


@dataclass
class Tally:
    """What training counts, left on the device until it is read.

    Parameters
    ----------
    sums : torch.Tensor of shape (..., 7), dtype float64
        Rows; rows of weight 1; squared error of all rows and of those of weight 1; weighted
        squared error and weighted sum of codes; active codes.
    firing_counts : torch.Tensor of shape (..., m), dtype int64
        Rows on which each feature fired.
    last_fired : torch.Tensor of shape (..., m), dtype int64
        The last step on which it fired.
    """

    sums: torch.Tensor
    firing_counts: torch.Tensor
    last_fired: torch.Tensor

    @classmethod
    def like(cls, bias):
        """Return an empty tally for biases of shape (..., m)."""
        sums = bias.new_zeros(*bias.shape[:-1], 7, dtype=torch.float64)
        return cls(sums, *(torch.zeros_like(bias, dtype=torch.int64) for _ in range(2)))

    def add(self, sums, weights, step):
        """Add the sums of a batch whose rows have the weights (n,)."""
        inlier = weights == 1
        errors, code_sums = sums.squared_errors.double(), sums.code_sums.double()
        self.firing_counts += sums.n_fired.long()
        self.last_fired.masked_fill_(sums.n_fired > 0, step)
        self.sums[..., 0] += len(weights)
        self.sums[..., 1] += inlier.sum()
        self.sums[..., 2] += errors.sum(-1)
        self.sums[..., 3] += (errors * inlier).sum(-1)
        self.sums[..., 4] += (errors * weights).sum(-1)
        self.sums[..., 5] += (code_sums * weights).sum(-1)
        self.sums[..., 6] += sums.n_fired.sum(-1)
