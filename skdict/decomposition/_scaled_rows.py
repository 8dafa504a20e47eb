"""Rows as training sees them: centred, scaled, shuffled; and the parameters it starts from."""

import numpy as np
import torch

from skdict._core import (
    NONLINEARITIES,
    Tensors,
    calibrate_bias,
    outlier_weights,
    random_tensors,
    shuffled_batches,
)

FIRING_SHARE = 0.03
SAMPLE_ROWS = 8192


class ScaledRows:
    """A source of batches of ``(x - mean) / scale``.

    Parameters
    ----------
    rows : array-like of shape (n, d)
        Anything sliced by rows, all finite.
    scaling : RowScale
        Centre, scale and cutoff.
    dtype : numpy dtype
        Of the batches: float32 or float64.
    device : torch.device
        Of the batches.
    seed : int
        Of everything random.
    has_outliers : bool
        True if any row is beyond the cutoff.

    Attributes
    ----------
    generator : torch.Generator
        On the CPU; the order of rows to come follows from its state.
    """

    def __init__(self, rows, scaling, *, dtype, device, seed, has_outliers):
        self.mean, self.scale = scaling.mean, scaling.scale
        self._cutoff = scaling.cutoff / scaling.scale if has_outliers else None
        self._rows = rows
        self._tensors = {"dtype": getattr(torch, np.dtype(dtype).name), "device": device}
        self._seed = seed
        self.generator = torch.Generator().manual_seed(seed)
        self._center = torch.tensor(scaling.mean, **self._tensors)

    def __len__(self):
        return len(self._rows)

    @property
    def itemsize(self):
        """Bytes of a value in a batch."""
        return self._tensors["dtype"].itemsize

    def scaled(self, X):
        """Return other rows, few enough for memory, centred and scaled alike."""
        rows = torch.tensor(np.asarray(X), **self._tensors)
        return rows.sub_(self._center).div_(self.scale)

    def generator_apart(self, epoch):
        """Return a generator for the end of an epoch; the order of rows does not follow from it.

        So dictionaries that draw more or less from it still see the same batches.
        """
        return torch.Generator().manual_seed(2**16 * self._seed + epoch)

    def sample(self, generator=None):
        """Return some of the rows that are no outliers, drawn at random."""
        x, weights = next(self.batches(SAMPLE_ROWS, generator))
        return x if self._cutoff is None else x[weights == 1]

    def batches(self, batch_size, generator=None):
        """Yield all rows once, in random order: batches (n, d) and the rows' weights (n,)."""
        batches = shuffled_batches(
            self._rows,
            batch_size,
            generator=self.generator if generator is None else generator,
            prepare=lambda block: block.sub_(self._center).div_(self.scale),
            **self._tensors,
        )
        for x in batches:
            yield x, self._weights(x)

    def _weights(self, x):
        """Return the weights of rows in the loss, below 1 for outliers."""
        if self._cutoff is None:
            return x.new_ones(len(x))
        return outlier_weights(torch.linalg.vector_norm(x, dim=1), self._cutoff)

    def random_start(self, n_components, *, tied, calibrated):
        """Return random directions, with biases that fire on 3 % of the rows or at zero."""
        tensors = random_tensors(
            n_components,
            len(self.mean),
            tied=tied,
            nonlinearity=NONLINEARITIES["relu"](),
            generator=self.generator,
            **self._tensors,
        )
        if calibrated:
            tensors.bias.copy_(calibrate_bias(tensors.encoder, self.sample(), FIRING_SHARE))
        return tensors

    def continued_start(self, dictionary, *, tied):
        """Return the parameters of a fitted dictionary, in terms of this centre and scale.

        The bias absorbs a move of the centre, so that encoding goes on unchanged.
        """
        shift = (np.asarray(self.mean, np.float64) - dictionary.mean_) @ dictionary.encoder_.T
        bias = (dictionary.encoder_bias_ + shift) / self.scale
        values = {"components": dictionary.components_}
        if not tied:
            values["encoder"] = dictionary.encoder_
        values["bias"] = bias
        return Tensors({k: torch.tensor(v, **self._tensors) for k, v in values.items()})
