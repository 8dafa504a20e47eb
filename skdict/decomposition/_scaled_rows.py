"""Rows as training sees them: centred, scaled, shuffled; and the parameters it starts from."""

import numpy as np
import torch

from skdict._core import Parameters, calibrate_bias, random_parameters, shuffled_batches

FIRING_SHARE = 0.03
CALIBRATION_ROWS = 8192


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
        self.generator = torch.Generator().manual_seed(seed)
        self._center = torch.tensor(mean, **self._tensors)

    def __len__(self):
        return len(self._rows)

    def batches(self, batch_size):
        """Return an iterator over all rows once, in random order."""
        return shuffled_batches(
            self._rows,
            batch_size,
            generator=self.generator,
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
            calibrate_bias(parameters, next(self.batches(CALIBRATION_ROWS)), FIRING_SHARE)
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
