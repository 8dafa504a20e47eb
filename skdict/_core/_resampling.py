"""New starts for features that no longer fire."""

import torch

from skdict._core._start import calibrate_bias
from skdict._core._tensors import Tensors

NOISE = 0.1


@torch.no_grad()
def resample_features(model, adam, dead, sample, share, generator):
    """Point dead features at rows that are poorly reconstructed, and forget their moments.

    Rows are drawn with a probability in proportion to the square of their loss, as Bricken et
    al. (2023, "Towards Monosemanticity", appendix on neuron resampling) do; the residual of the
    row becomes the direction of decoder and encoder, and biases start as those of a new
    dictionary.

    Parameters
    ----------
    model : Model
        Its tensors are changed in place.
    adam : Adam
        Optimiser of these tensors; its moments are changed in place.
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
    tensors = model.tensors
    # A few rows at a time: all their codes would be a large dense array.
    missing = torch.cat([x - model.codes(x) @ tensors.components for x in sample.split(512)])
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
    learned = model.nonlinearity.learned(n_dead)
    starts = {name: start.to(directions) for name, start in learned.items()}
    starts |= {"components": directions, "encoder": directions.clone()}
    starts["bias"] = calibrate_bias(directions, sample, share)
    starts = Tensors(starts)
    model.nonlinearity.calibrate(starts, sample)
    for name in tensors:
        tensors[name][dead] = starts[name]
        if name in adam.first:
            adam.first[name][dead] = 0
            adam.second[name][dead] = 0
    return n_dead
