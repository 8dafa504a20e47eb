"""Dense back end, for one dictionary or a stack of them."""

import torch

from skdict._core._backends.base import Backend
from skdict._core._codes import DenseCodes


class Dense(Backend):
    """Dense back end based on matrix products; it never synchronises with the device.

    Parameters
    ----------
    multiply : callable
        Matrix product ``multiply(left, right, out)``.
    batch_size : int
        Maximum number of rows in a batch.
    """

    def __init__(self, multiply, batch_size):
        super().__init__(multiply)
        self._batch_size = batch_size
        self._rooms = {}

    def encode(self, x, model, eligible, screen=None):
        """Return all codes of rows x (n, d); `screen` is not used."""
        tensors, nonlinearity = model.tensors, model.nonlinearity
        pre = self._entries("pre", tensors.components, len(x))
        self._multiply(x, tensors.encoder.mT, pre).add_(tensors.bias.unsqueeze(-2))
        nonlinearity.select(pre, eligible, model.group)
        out = pre
        if not nonlinearity.overwrites_pre:
            out = self._entries("values", tensors.components, len(x))
        learned = {name: tensors[name].unsqueeze(-2) for name in nonlinearity.learned(0)}
        return DenseCodes(pre, nonlinearity.values(pre, learned, out=out))

    def decode(self, codes, components, start, stop):
        """Return the contribution of features `start` to `stop` to reconstructions."""
        n = codes.values.shape[-2]
        shape = *components.shape[:-2], self._batch_size, components.shape[-1]
        room = self._taken("rebuilt", components, shape)[..., :n, :]
        return self._multiply(codes.values[..., start:stop], components[..., start:stop, :], room)

    def slopes(self, codes, pulls, components, row_slopes):
        """Return the slopes of all entries."""
        slopes = self._entries("slopes", components, codes.values.shape[-2])
        for start, stop, pull in pulls:
            part = components[..., start:stop, :].mT
            self._multiply(pull, part, slopes[..., start:stop])
        return slopes.add_(row_slopes.unsqueeze(-1))

    def accumulate(self, codes, entries, pulls, out, *, add=False):
        """Fill `out` with the sums of entries times pulls, or add them to it."""
        sums = self._taken("sums", out, out.shape) if add else out
        for start, stop, pull in pulls:
            self._multiply(entries[..., start:stop].mT, pull, sums[..., start:stop, :])
        if add:
            out.add_(sums)

    def feature_sums(self, codes, entries, out):
        """Fill `out` with the sums of entries."""
        torch.sum(entries, -2, out=out)

    def at_entries(self, codes, tensor):
        """Broadcast one number per feature over rows."""
        return tensor.unsqueeze(-2)

    def from_rows(self, codes, numbers):
        """Broadcast one number per row over features."""
        return numbers.unsqueeze(-1)

    def row_counts(self, codes):
        """Return the number of codes that fire in each row."""
        return torch.count_nonzero(codes.values, -1).to(codes.values.dtype)

    def row_sums(self, codes):
        """Return the sum of the codes of each row."""
        return codes.values.sum(-1)

    def n_fired(self, codes, n_components):
        """Return the number of rows on which each feature fired."""
        return torch.count_nonzero(codes.values, -2)

    def _entries(self, name, components, n):
        """Return a buffer for an entry array of n rows, allocated once."""
        *stacked, m, _ = components.shape
        return self._taken(name, components, (*stacked, self._batch_size, m))[..., :n, :]

    def _taken(self, name, like, shape):
        if name not in self._rooms:
            self._rooms[name] = like.new_empty(shape)
        return self._rooms[name]
