"""Running sums over batches for one dictionary or a stack of them."""

from dataclasses import dataclass

import torch


@dataclass
class Tally:
    """Running sums of training, kept on the device until they are read.

    Parameters
    ----------
    sums : torch.Tensor of shape (..., 6), dtype float64
        Number of rows; number of rows of weight 1; squared error of all rows, and of rows of
        weight 1; weighted squared error plus penalties; number of codes that fired.
    firing_counts : torch.Tensor of shape (..., m), dtype int64
        Number of rows on which each feature fired.
    last_fired : torch.Tensor of shape (..., m), dtype int64
        Last step at which each feature fired.
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
        """Return a mask of the features that have not fired for `for_steps` steps.

        `n_steps` is the number of steps so far, a number or a tensor. If `for_steps` is None,
        return None.
        """
        return None if for_steps is None else n_steps - self.last_fired >= for_steps

    def add(self, sums, weights, step, group):
        """Add the sums of a batch whose rows have weights (n,).

        With features shared by several processes, errors and losses are those of the whole
        dictionary, and codes are counted for the features of this process.

        Returns
        -------
        torch.Tensor of shape (..., m), dtype int64
            Number of rows on which each feature of this process fired.
        """
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
        group.rows.sum_([here, n_fired])
        self.sums += here
        self.firing_counts += n_fired
        self.last_fired.masked_fill_(n_fired > 0, step)
        return n_fired
