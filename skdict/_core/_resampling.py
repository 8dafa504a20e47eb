"""New starts for features that no longer fire."""

import torch

from skdict._core._parameters import calibrate_bias

NOISE = 0.1


@torch.no_grad()
def resample_features(parameters, adam, dead, sample, share, generator):
    """Point dead features at rows that are rebuilt worst, and forget their moments.

    Rows are drawn with a probability in proportion to the square of their loss, as Bricken et
    al. (2023, "Towards Monosemanticity", appendix on neuron resampling) do; what is missing of
    the row becomes the direction, read and written, and biases start as those of a new
    dictionary.

    Parameters
    ----------
    parameters : Parameters
        Changed in place.
    adam : Adam
        Of the same tensors, changed in place.
    dead : torch.Tensor of shape (m,), dtype bool
        Which features.
    sample : torch.Tensor of shape (n, d)
        Rows, centred and scaled.
    share : float
        Of the sample's rows on which a new feature is to fire.
    generator : torch.Generator
        On the CPU.

    Returns
    -------
    int
        Features that were given a new start.
    """
    n_dead = int(dead.sum())
    if n_dead == 0:
        return 0
    missing = _residuals(parameters, sample)
    losses = missing.square().sum(1)
    if not losses.any():
        return 0
    chosen = losses.square().double().cpu().multinomial(n_dead, True, generator=generator)
    directions = missing[chosen.to(missing.device)]
    directions /= directions.norm(dim=1, keepdim=True)
    # Rows drawn more than once would give equal features, which would stay equal.
    noise = torch.randn(directions.shape, generator=generator).to(directions)
    directions += NOISE * noise / noise.norm(dim=1, keepdim=True)
    directions /= directions.norm(dim=1, keepdim=True)
    started = type(parameters)(directions, directions, directions.new_zeros(n_dead))
    calibrate_bias(started, sample, share)
    starts = [directions] if parameters.tied else [directions, directions]
    starts.append(started.bias)
    for tensor, start in zip(parameters.tensors(), starts, strict=True):
        tensor[dead] = start
    for moment in (*adam.first, *adam.second):
        moment[dead] = 0
    return n_dead


def _residuals(parameters, sample):
    """Return what codes leave of rows, a few rows at a time."""
    parts = []
    for x in sample.split(512):
        codes = torch.relu(x @ parameters.encoder.T + parameters.bias)
        parts.append(x - codes @ parameters.components)
    return torch.cat(parts)
