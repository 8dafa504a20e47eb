"""Centre, scale and shuffle rows for training."""

import numpy as np
import torch

from skdict._core import outlier_weights, shuffled_batches

SAMPLE_ROWS = 8192
CALIBRATION_ROWS = 1024
# Used in place of an epoch number to seed the generator of calibration.
CALIBRATION = 2**16 - 1


class ScaledRows:
    """Source of shuffled batches of ``(x - mean) / scale``.

    Parameters
    ----------
    rows : array-like of shape (n, d)
        Training rows, with finite values; read in slices.
    scaling : RowScale
        Centre, scale and outlier cutoff.
    moments : InlierMoments
        Moments and outliers of all rows, including held-out ones.
    held_out : array-like of shape (n', d), optional
        Held-out rows, unscaled.
    dtype : numpy dtype
        Dtype of the batches: float32 or float64.
    device : torch.device
        Device of the batches.
    seed : int
        Seed for shuffling and sampling.

    Attributes
    ----------
    dtype : torch.dtype
        Dtype of the batches.
    generator : torch.Generator
        CPU generator whose state determines the order of subsequent rows.
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
        """Return the held-out rows as a tensor, centred and scaled like the training rows."""
        rows = np.asarray(self._held_out)
        return self._scale(torch.tensor(rows, dtype=self.dtype, device=self.device))

    def generator_apart(self, epoch):
        """Return a generator for use at the end of an epoch, separate from that of the batches.

        Dictionaries that draw different amounts from it still train on the same batches.
        """
        return torch.Generator().manual_seed(2**16 * self._seed + epoch)

    def sample(self, generator=None):
        """Return a random sample of the training rows, without outliers."""
        x, weights = next(self.batches(SAMPLE_ROWS, generator))
        return x if self._cutoff is None else x[weights == 1]

    def calibration(self):
        """Yield batches of held-out rows in their original order, without outliers.

        Without held-out rows, yield all rows, shuffled independently of training.
        """
        if self._held_out is None:
            batches = self.batches(CALIBRATION_ROWS, self.generator_apart(CALIBRATION))
        else:
            parts = self.held_out().split(CALIBRATION_ROWS)
            batches = ((x, self._weights(x)) for x in parts)
        for x, weights in batches:
            yield x if self._cutoff is None else x[weights == 1]

    def batches(self, batch_size, generator=None):
        """Yield all training rows once in random order, as batches (n, d) and weights (n,)."""
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
        """Return the weights of rows in the loss: 1, or less for outliers."""
        if self._cutoff is None:
            return x.new_ones(len(x))
        return outlier_weights(torch.linalg.vector_norm(x, dim=1), self._cutoff)
