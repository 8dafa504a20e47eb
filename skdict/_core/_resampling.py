"""Re-initialise dead features."""

import torch

from skdict._core._start import calibrate_bias, calibrate_decoder, noisy_directions
from skdict._core._tensors import Tensors


@torch.no_grad()
def resample_features(model, adam, dead, sample, share, generator, target=None):
    """Re-initialise dead features from the residuals of poorly reconstructed rows.

    Rows are drawn with probability proportional to the square of their loss, as in Bricken et al.
    (2023, "Towards Monosemanticity", appendix on neuron resampling). The residual of a drawn row
    becomes the decoder and encoder direction of a feature. In a transcoder, where residuals have
    another width than rows, the row itself becomes the encoder direction, and the decoder is
    calibrated on the residuals. Biases are calibrated as in a new dictionary, and Adam's moments
    are reset to zero.

    Parameters
    ----------
    model : Model
        Model whose tensors are changed in place.
    adam : Adam
        Optimiser of these tensors, whose moments are changed in place.
    dead : torch.Tensor of shape (m,), dtype bool
        Mask of the features to re-initialise.
    sample : torch.Tensor of shape (n, d)
        Rows, centred and scaled.
    share : float
        Fraction of the sampled rows on which a re-initialised feature should fire.
    generator : torch.Generator
        Generator on the CPU.
    target : torch.Tensor of shape (n, d_out), optional
        Rows that the codes of the sample reconstruct; the sample itself by default.

    Returns
    -------
    int
        Number of features re-initialised.
    """
    tensors, group = model.tensors, model.group.features
    n_here = int(dead.sum())
    counts = group.gather(torch.tensor(n_here)).tolist()
    n_dead, before = sum(counts), sum(counts[: group.rank])
    if n_dead == 0:
        return 0
    missing = model.residual(sample, target)
    losses = missing.square().sum(1)
    if not losses.any():
        return 0
    chosen = losses.square().double().cpu().multinomial(n_dead, True, generator=generator)
    mine, chosen = slice(before, before + n_here), chosen.to(missing.device)
    components = noisy_directions(missing, chosen, generator, mine)
    encoder = components.clone()
    if target is not None:
        encoder = noisy_directions(sample, chosen, generator, mine)
    learned = model.nonlinearity.learned(n_here)
    starts = {name: start.to(encoder) for name, start in learned.items()}
    starts |= {"components": components, "encoder": encoder}
    starts["bias"] = calibrate_bias(encoder, sample, share)
    starts = Tensors(starts)
    if target is not None:
        calibrate_decoder(starts, sample, missing, group)
    model.nonlinearity.calibrate(starts, sample)
    _replace(tensors, adam, dead, starts)
    return n_dead


def _replace(tensors, adam, dead, starts):
    """Replace the tensors of dead features, and set their moments to zero."""
    for name in tensors:
        if not tensors.specs[name].per_feature:
            continue
        tensors[name][dead] = starts[name]
        if name in adam.first:
            adam.first[name][dead] = 0
            adam.second[name][dead] = 0
