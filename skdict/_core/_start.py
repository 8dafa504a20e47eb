"""Initialise a dictionary before training."""

import torch

from skdict._core._group import ALONE
from skdict._core._tensors import Tensors

# Ridge of the skip connection, relative to the mean variance of a dimension of the rows.
RIDGE = 1e-3
# Length of the noise that is added to directions of rows.
NOISE = 0.1
# Rows drawn at a time where not all are kept; a multiple of 16.
DRAWN_ROWS = 4096


def random_tensors(
    n_components,
    width,
    *,
    tied,
    nonlinearity,
    generator,
    dtype,
    device,
    target_width=None,
    features=ALONE,
):
    """Return tensors with random unit directions, zero biases and the nonlinearity's own tensors.

    Directions are drawn in float32 on the CPU and then cast, so the initial values are the same
    for every dtype and device. An untied encoder starts as a copy of the decoder, and that of a
    transcoder, whose decoder has another width, with directions of its own. The processes of a
    group draw the same directions and keep their own part.
    """
    mine = slice(*features.span(n_components))

    def draw(width):
        directions = draw_normal(n_components, width, generator, mine)
        directions /= torch.linalg.vector_norm(directions, dim=1, keepdim=True)
        return directions.to(device=device, dtype=dtype)

    directions = draw(width)
    values = {"components": directions if target_width is None else draw(target_width)}
    if not tied:
        values["encoder"] = directions.clone()
    values["bias"] = directions.new_zeros(len(directions))
    learned = nonlinearity.learned(len(directions))
    return Tensors(values | {name: start.to(values["bias"]) for name, start in learned.items()})


def draw_normal(n_rows, width, generator, kept):
    """Return a slice of the rows of normal numbers (n, d) without holding all of them.

    The numbers are those of ``torch.randn(n_rows, width, generator=generator)``, which fills
    contiguous memory in runs of 16.
    """
    if kept == slice(0, n_rows):
        return torch.randn(n_rows, width, generator=generator)
    parts, start = [], 0
    while start < n_rows:
        # A last piece of less than a run would be drawn in another way.
        stop = start + DRAWN_ROWS if start + DRAWN_ROWS + 16 <= n_rows else n_rows
        piece = torch.randn(stop - start, width, generator=generator)
        parts.append(piece[max(kept.start - start, 0) : max(kept.stop - start, 0)].clone())
        start = stop
    return torch.cat(parts) if parts else torch.empty(0, width)


def noisy_directions(rows, chosen, generator, kept):
    """Return the unit directions of chosen rows, with some noise from a generator on the CPU.

    Rows drawn more than once would give identical features, which would stay identical.

    Parameters
    ----------
    rows : torch.Tensor of shape (n, d)
        Rows to choose from.
    chosen : torch.Tensor of shape (m,)
        Row of each feature.
    generator : torch.Generator
        Generator of the noise of all features.
    kept : slice
        Features to return directions of.

    Returns
    -------
    torch.Tensor of shape (m', d)
    """
    noise = draw_normal(len(chosen), rows.shape[1], generator, kept).to(rows)
    rows = rows[chosen[kept]]
    lengths = rows.norm(dim=1, keepdim=True).clamp_(min=torch.finfo(rows.dtype).tiny)
    directions = rows / lengths
    directions += NOISE * noise / noise.norm(dim=1, keepdim=True)
    return directions.div_(directions.norm(dim=1, keepdim=True))


def draw_encoder(tensors, sample, generator, features=ALONE):
    """Replace encoder directions by those of rows drawn from a sample (n, d), each at most once.

    If there are fewer rows than features, rows are drawn repeatedly. The processes of a group draw
    the same rows.
    """
    n_features = features.total(len(tensors.bias))
    if len(sample) >= n_features:
        chosen = torch.randperm(len(sample), generator=generator)[:n_features]
    else:
        chosen = torch.randint(len(sample), (n_features,), generator=generator)
    mine = slice(*features.span(n_features))
    tensors.encoder.copy_(noisy_directions(sample, chosen.to(sample.device), generator, mine))


def with_skip(tensors, sample, target):
    """Return tensors with the skip connection that predicts targets from rows alone.

    Parameters
    ----------
    tensors : Tensors
        Tensors without a skip connection.
    sample : torch.Tensor of shape (n, d)
        Rows after centring and scaling.
    target : torch.Tensor of shape (n, d_out)
        Their targets after centring and scaling.

    Returns
    -------
    Tensors
        Tensors with `skip` (d, d_out), the solution of ridge regression.
    """
    gram = sample.T @ sample
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    skip = torch.linalg.solve(gram, sample.T @ target).contiguous()
    return Tensors({**tensors, "skip": skip})


def calibrate_decoder(tensors, sample, target, features=ALONE):
    """Set the decoder and the length of encoder directions from targets, in place.

    The decoder direction of a feature becomes the mean of the targets, minus the skip connection,
    weighted by the positive part of the feature's pre-activations: what one gradient step from a
    decoder of zeros would make it. Encoder directions and biases are then multiplied by the
    common factor with which the codes reconstruct the targets best.

    Parameters
    ----------
    tensors : Tensors
        Tensors of a transcoder with unit encoder directions.
    sample : torch.Tensor of shape (n, d)
        Rows after centring and scaling.
    target : torch.Tensor of shape (n, d_out)
        Their targets after centring and scaling.
    features : Alone or another group, optional
        Processes that hold further features.
    """
    if "skip" in tensors:
        target = target - sample @ tensors["skip"]
    rebuilt = torch.zeros_like(target)
    # A few features at a time, because the codes of all would be a dense (n, m) array.
    for part in torch.arange(len(tensors.bias), device=sample.device).split(1024):
        codes = torch.addmm(tensors.bias[part], sample, tensors.encoder[part].T).clamp_(min=0)
        sums = codes.T @ target
        lengths = torch.linalg.vector_norm(sums, dim=1, keepdim=True)
        # A feature without an effect on the targets keeps its random direction.
        directions = torch.where(lengths > 0, sums / lengths, tensors.components[part])
        tensors.components[part] = directions
        rebuilt += codes @ directions
    features.sum_([rebuilt])
    gain = (rebuilt * target).sum() / rebuilt.square().sum()
    if gain > 0:
        tensors.encoder.mul_(gain)
        tensors.bias.mul_(gain)


def calibrate_bias(encoder, sample, share):
    """Return biases that make each feature's pre-activation positive on a given share of rows.

    With zero biases half of all pre-activations are positive at first, and the penalty then
    silences some features for good.

    Parameters
    ----------
    encoder : torch.Tensor of shape (m, d)
        Encoder directions.
    sample : torch.Tensor of shape (n, d)
        Rows after centring and scaling.
    share : float
        Share of rows, between 0 and 1. Every feature is positive on at least one sampled row, even
        if many rows are equal.

    Returns
    -------
    torch.Tensor of shape (m,)
    """
    bias = encoder.new_empty(len(encoder))
    rank = len(sample) - max(1, round(share * len(sample)))
    # A few features at a time, because the projections of all would be a dense (n, m) array.
    for part in torch.arange(len(encoder)).split(1024):
        projections = sample @ encoder[part].T
        threshold = projections.kthvalue(max(rank, 1), dim=0).values
        # If many equal rows share the largest projection, use the next smaller one.
        largest = projections.amax(dim=0)
        below = projections.masked_fill(projections >= largest, -torch.inf).amax(dim=0)
        is_largest = (threshold >= largest) & below.isfinite()
        bias[part] = -torch.where(is_largest, below, threshold)
    return bias
