"""Running sums over batches, of one dictionary or of several stacked ones."""

from dataclasses import dataclass

import torch


@dataclass
class Tally:
    """What training counts, left on the device until it is read.

    Parameters
    ----------
    sums : torch.Tensor of shape (..., 4), dtype float64
        Rows, squared error, sum of codes, active codes.
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
        sums = bias.new_zeros(*bias.shape[:-1], 4, dtype=torch.float64)
        return cls(sums, *(torch.zeros_like(bias, dtype=torch.int64) for _ in range(2)))

    def add(self, sums, n_rows, step):
        """Add the sums of a batch of so many rows."""
        self.firing_counts += sums.n_fired.long()
        self.last_fired.masked_fill_(sums.n_fired > 0, step)
        self.sums[..., 0] += n_rows
        self.sums[..., 1] += sums.squared_error
        self.sums[..., 2] += sums.code_sum
        self.sums[..., 3] += sums.n_fired.sum(-1)
