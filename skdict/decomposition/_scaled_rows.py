"""Centre, scale and shuffle rows for training."""

import numpy as np
import torch

from skdict._core import ALONE, Batch, shared_batches, shuffled_batches

SAMPLE_ROWS = 8192
CALIBRATION_ROWS = 1024
# Used in place of an epoch number to seed the generator of calibration.
CALIBRATION = 2**16 - 1


class ScaledRows:
    """Source of shuffled batches of ``(x - mean) / scale``, and of such targets.

    Rows and, for a transcoder, their targets are the two sides; they are read in step, and a row
    is an outlier if it is one on either side.

    Parameters
    ----------
    sides : list of array-like of shape (n, d)
        Training rows of each side, with finite values; read in slices.
    scalings : list of RowScale or BlockScale
        Centre, scale and outlier cutoff of each side.
    moments : list of InlierMoments
        Moments and outliers of all rows of each side or block of columns, including held-out rows.
    held_out : list of array-like of shape (n', d), optional
        Held-out rows of each side, unscaled.
    blocks : tuple of int, optional
        Sizes of the blocks of columns, if the estimator has any.
    dtype : numpy dtype
        Dtype of the batches: float32 or float64.
    device : torch.device
        Device of the batches.
    seed : int
        Seed for shuffling and sampling.
    group : Alone or Group, optional
        Processes that train on these rows together; all of them have the same.

    Attributes
    ----------
    scaling, target_scaling : RowScale or BlockScale
        Scaling of the rows to encode and of those to reconstruct; without targets, the same.
    blocks : tuple of int or None
        Sizes of the blocks of columns.
    has_targets : bool
        True if there are targets.
    n_outliers : int
        Number of outliers.
    group : Alone or Group
        Processes that train on these rows together.
    dtype : torch.dtype
        Dtype of the batches.
    generator : torch.Generator
        CPU generator whose state determines the order of subsequent rows.
    """

    def __init__(
        self,
        sides,
        scalings,
        moments,
        held_out=None,
        *,
        blocks=None,
        dtype,
        device,
        seed,
        group=ALONE,
    ):
        self.scaling, self.target_scaling = scalings[0], scalings[-1]
        self.moments, self.blocks = moments, blocks
        self.device, self.group = device, group
        self.dtype = getattr(torch, np.dtype(dtype).name)
        self.has_targets, self.n_outliers = len(sides) > 1, len(moments[0].outliers)
        self._sides, self._scalings, self._held_out, self._seed = sides, scalings, held_out, seed
        self.generator = torch.Generator().manual_seed(seed)
        options = {"dtype": self.dtype, "device": device}
        self._centers = [torch.tensor(scaling.mean, **options) for scaling in scalings]
        self._divisors = [_divisor(scaling.columns, options) for scaling in scalings]

    def __len__(self):
        return len(self._sides[0])

    def held_out(self):
        """Return the held-out rows as a tensor, centred and scaled like the training rows."""
        return self._scaled(self._held_out[:1])[0]

    def generator_apart(self, epoch):
        """Return a generator for use at the end of an epoch, separate from that of the batches.

        Dictionaries that draw different amounts from it still train on the same batches.
        """
        return torch.Generator().manual_seed(2**16 * self._seed + epoch)

    def sample(self, generator=None):
        """Return a random sample of the training rows and of their targets, without outliers.

        Without targets, the second is None.
        """
        batch = self._inliers(next(self.batches(SAMPLE_ROWS, generator)))
        return batch.x, batch.target

    def calibration(self):
        """Yield batches of held-out rows in their original order, without outliers.

        Without held-out rows, yield all rows, shuffled independently of training.
        """
        if self._held_out is None:
            batches = self.batches(CALIBRATION_ROWS, self.generator_apart(CALIBRATION))
        else:
            sides = self._scaled(self._held_out)
            parts = (side.split(CALIBRATION_ROWS) for side in sides)
            batches = map(self._batch, zip(*parts, strict=True))
        for batch in batches:
            yield self._inliers(batch).x

    def batches(self, batch_size, generator=None):
        """Yield all training rows once in random order, as instances of `Batch`."""
        batches = shuffled_batches(
            self._sides,
            batch_size,
            generator=self.generator if generator is None else generator,
            dtype=self.dtype,
            device=self.device,
            prepare=self._scale,
        )
        yield from map(self._batch, batches)

    def training_batches(self, batch_size):
        """Yield the `batches`; in a group whose processes share rows, this process's part."""
        group = self.group.rows
        if group.size == 1:
            yield from self.batches(batch_size)
            return
        batches = shared_batches(
            self._sides,
            batch_size,
            group=group,
            generator=self.generator,
            dtype=self.dtype,
            device=self.device,
            prepare=self._scale,
        )
        for n_rows, sides in batches:
            yield self._batch(sides)._replace(n_rows=n_rows)

    def _scaled(self, sides):
        """Return unscaled rows of one or both sides as tensors, centred and scaled."""
        options = {"dtype": self.dtype, "device": self.device}
        return self._scale([torch.tensor(np.asarray(side), **options) for side in sides])

    def _scale(self, blocks):
        """Centre and scale a block of one or both sides in place."""
        for block, center, by in zip(blocks, self._centers, self._divisors, strict=False):
            block.sub_(center).div_(by)
        return blocks

    def _batch(self, sides):
        target = sides[1] if self.has_targets else None
        return Batch(sides[0], self._weights(sides), target, len(sides[0]))

    def _weights(self, sides):
        """Return the weights of rows in the loss: 1, or less for outliers."""
        if self.n_outliers == 0:
            return sides[0].new_ones(len(sides[0]))
        pairs = zip(sides, self._scalings, strict=True)
        return torch.stack([scaling.weights(x) for x, scaling in pairs]).amin(0)

    def _inliers(self, batch):
        return batch if self.n_outliers == 0 else batch.inliers()


def _divisor(columns, options):
    """Return a divisor common to all columns as it is, and one of each column as a tensor."""
    return torch.tensor(columns, **options) if np.ndim(columns) else columns
