"""Running sums over batches, of one dictionary or of several stacked ones."""

from dataclasses import dataclass

import torch


@dataclass
class Tally:
    """What training counts, left on the device until it is read.

    Parameters
    ----------
    sums : torch.Tensor of shape (..., 6), dtype float64
        Rows; rows of weight 1; squared error of all rows and of those of weight 1; weighted
        squared error and penalties; codes that fired.
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
        sums = bias.new_zeros(*bias.shape[:-1], 6, dtype=torch.float64)
        return cls(sums, *(torch.zeros_like(bias, dtype=torch.int64) for _ in range(2)))

    def silent(self, n_steps, for_steps):
        """Return a mask of the features that have not fired for so many steps, or None for None.

        n_steps are the steps so far, a number or a tensor.
        """
        return None if for_steps is None else n_steps - self.last_fired >= for_steps

    def add(self, sums, weights, step, group):
        """Add the sums of a batch whose rows have the weights (n,)."""
        inlier = weights == 1
        errors, losses = sums.squared_errors.double(), sums.penalties.double()
        losses = weights * (errors + losses)
        here = torch.empty_like(self.sums)
        here[..., 0] = len(weights)
        here[..., 1] = inlier.sum()
        here[..., 2] = errors.sum(-1)
        here[..., 3] = (errors * inlier).sum(-1)
        here[..., 4] = losses.sum(-1)
        here[..., 5] = sums.n_fired.sum(-1)
        n_fired = sums.n_fired.long()
        group.sum_([here, n_fired])
        self.sums += here
        self.firing_counts += n_fired
        self.last_fired.masked_fill_(n_fired > 0, step)
