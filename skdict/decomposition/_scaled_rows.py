"""Rows as training sees them: centred, scaled and shuffled."""

import numpy as np
import torch

from skdict._core import outlier_weights, shuffled_batches

SAMPLE_ROWS = 8192
CALIBRATION_ROWS = 1024
# Stands where generators apart have an epoch.
CALIBRATION = 2**16 - 1


class ScaledRows:
    """A source of shuffled batches of ``(x - mean) / scale``.

    Parameters
    ----------
    rows : array-like of shape (n, d)
        Anything that is sliced by rows; all values finite.
    scaling : RowScale
        Centre, scale and cutoff.
    moments : InlierMoments
        Moments and outliers of the rows, held-out ones included.
    held_out : array-like of shape (n', d), optional
        Rows not to train on, unscaled.
    dtype : numpy dtype
        Dtype of the batches: float32 or float64.
    device : torch.device
        Device of the batches.
    seed : int
        Seed of everything random.

    Attributes
    ----------
    dtype : torch.dtype
        Dtype of the batches.
    generator : torch.Generator
        On the CPU; its state determines the order of the rows to come.
    """

    def __init__(self, rows, scaling, moments, held_out=None, *, dtype, device, seed):
        self.scaling, self.moments, self.device = scaling, moments, device
        self.dtype = getattr(torch, np.dtype(dtype).name)
        self._cutoff = scaling.cutoff / scaling.scale if moments.outliers else None
        self._rows, self._held_out, self._seed = rows, held_out, seed
        self.generator = torch.Generator().manual_seed(seed)
        self._center = torch.tensor(scaling.mean, dtype=self.dtype, device=device)

    def __len__(self):
        return len(self._rows)

    def held_out(self):
        """Return the held-out rows as a tensor, centred and scaled like the others."""
        rows = np.asarray(self._held_out)
        return self._scale(torch.tensor(rows, dtype=self.dtype, device=self.device))

    def generator_apart(self, epoch):
        """Return a generator for the end of an epoch, separate from that of the batches.

        Dictionaries that draw different amounts from it still see the same batches.
        """
        return torch.Generator().manual_seed(2**16 * self._seed + epoch)

    def sample(self, generator=None):
        """Return a random sample of the rows, without outliers."""
        x, weights = next(self.batches(SAMPLE_ROWS, generator))
        return x if self._cutoff is None else x[weights == 1]

    def calibration(self):
        """Yield rows without outliers, in batches: those held out, or all in an order of their own.

        Those held out come in the order in which they are.
        """
        if self._held_out is None:
            batches = self.batches(CALIBRATION_ROWS, self.generator_apart(CALIBRATION))
        else:
            parts = self.held_out().split(CALIBRATION_ROWS)
            batches = ((x, self._weights(x)) for x in parts)
        for x, weights in batches:
            yield x if self._cutoff is None else x[weights == 1]

    def batches(self, batch_size, generator=None):
        """Yield all rows once, in random order: batches (n, d) and the rows' weights (n,)."""
        batches = shuffled_batches(
            self._rows,
            batch_size,
            generator=self.generator if generator is None else generator,
            dtype=self.dtype,
            device=self.device,
            prepare=self._scale,
        )
        for x in batches:
            yield x, self._weights(x)

    def _scale(self, x):
        return x.sub_(self._center).div_(self.scaling.scale)

    def _weights(self, x):
        """Return the weights of rows in the loss, below 1 for outliers."""
        if self._cutoff is None:
            return x.new_ones(len(x))
        return outlier_weights(torch.linalg.vector_norm(x, dim=1), self._cutoff)
