"""Rows as training sees them: centred, scaled, shuffled; and the parameters it starts from."""

import numpy as np
import torch

from skdict._core import Parameters, calibrate_bias, random_parameters, shuffled_batches

FIRING_SHARE = 0.03
SAMPLE_ROWS = 8192


def center_and_scale(X, moments, center, rescale):
    """Return the centre and scale of rows, and the FVU of a unit squared error on scaled ones.

    Raises
    ------
    ValueError
        If the rows are all equal, or too large or small to be computed with.
    """
    mean = moments.mean if center else np.zeros_like(moments.mean)
    mean_square = moments.variance if center else moments.mean_square
    if moments.squared_deviations == 0 and (moments.mean == X[0]).all():
        raise ValueError(
            f"all {moments.n_rows} rows of X are equal, so there is nothing to learn; "
            f"pass rows that vary"
        )
    if not np.finfo(np.float32).tiny < mean_square < np.finfo(np.float64).max:
        raise ValueError(
            f"the mean square norm of the rows, {mean_square:.3g}, is beyond what can be "
            f"computed with; multiply X by a constant that brings it near 1"
        )
    scale = float(np.sqrt(mean_square)) if rescale else 1.0
    return mean, scale, scale**2 / moments.variance


class ScaledRows:
    """A source of batches of ``(x - mean) / scale``.

    Parameters
    ----------
    rows : array-like of shape (n, d)
        Anything sliced by rows, all finite.
    mean : ndarray of shape (d,)
        Taken off.
    scale : float
        Divided by.
    dtype : numpy dtype
        Of the batches: float32 or float64.
    device : torch.device
        Of the batches.
    seed : int
        Of everything random.

    Attributes
    ----------
    generator : torch.Generator
        On the CPU; the order of rows to come follows from its state.
    """

    def __init__(self, rows, mean, scale, *, dtype, device, seed):
        self.mean, self.scale = mean, scale
        self._rows = rows
        self._tensors = {"dtype": getattr(torch, np.dtype(dtype).name), "device": device}
        self._seed = seed
        self.generator = torch.Generator().manual_seed(seed)
        self._center = torch.tensor(mean, **self._tensors)

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
        """Return some of the rows, drawn at random."""
        return next(self.batches(SAMPLE_ROWS, generator))

    def batches(self, batch_size, generator=None):
        """Return an iterator over all rows once, in random order."""
        return shuffled_batches(
            self._rows,
            batch_size,
            generator=self.generator if generator is None else generator,
            prepare=lambda block: block.sub_(self._center).div_(self.scale),
            **self._tensors,
        )

    def random_start(self, n_components, *, tied, calibrated):
        """Return random directions, with biases that fire on 3 % of the rows or at zero."""
        parameters = random_parameters(
            n_components,
            len(self.mean),
            tied=tied,
            generator=self.generator,
            **self._tensors,
        )
        if calibrated:
            calibrate_bias(parameters, self.sample(), FIRING_SHARE)
        return parameters

    def continued_start(self, dictionary, *, tied):
        """Return the parameters of a fitted dictionary, in terms of this centre and scale.

        The bias absorbs a move of the centre, so that encoding goes on unchanged.
        """
        shift = (np.asarray(self.mean, np.float64) - dictionary.mean_) @ dictionary.encoder_.T
        bias = (dictionary.encoder_bias_ + shift) / self.scale
        components = torch.tensor(dictionary.components_, **self._tensors)
        encoder = components if tied else torch.tensor(dictionary.encoder_, **self._tensors)
        return Parameters(components, encoder, torch.tensor(bias, **self._tensors))
