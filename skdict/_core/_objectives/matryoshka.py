r"""Matryoshka loss: squared errors of nested prefixes of a dictionary.

With prefixes of sizes :math:`m_1 < \ldots < m_L = m` and weights :math:`\lambda_l` that sum to 1,
the squared error of a row is :math:`\sum_l \lambda_l \|x - \hat x_l\|^2`, where
:math:`\hat x_l` is reconstructed from the codes of the first :math:`m_l` features. A feature of
group g (between :math:`m_{g-1}` and :math:`m_g`) belongs to the levels from g on, so its gradient
depends on the suffix sum :math:`\sum_{l \ge g} \lambda_l r_l` of their residuals. A single level
with all features is the plain squared error.
"""

from itertools import pairwise
from typing import NamedTuple

import torch


class Levels(NamedTuple):
    """Nested prefixes of a dictionary and their weights in the loss.

    Parameters
    ----------
    ends : tuple of int
        Sizes of the prefixes, increasing; the last is the number of features.
    weights : tuple of float
        Weight of each prefix, summing to 1.
    """

    ends: tuple
    weights: tuple

    def groups(self):
        """Return the start and stop of each group of features."""
        return list(pairwise((0, *self.ends)))

    def of_span(self, start, stop):
        """Return the levels of the features from `start` to `stop`, some of them maybe empty."""
        ends = tuple(min(max(end - start, 0), stop - start) for end in self.ends)
        return Levels(ends, self.weights)


def whole(n_components):
    """Return the single level with all features."""
    return Levels((n_components,), (1.0,))


class Pull(NamedTuple):
    """Gradient of the loss with respect to reconstructions, for one group of features."""

    start: int
    stop: int
    slopes: torch.Tensor
    """Shape (..., n, d)."""


def differentiate(backend, codes, target, components, factors, row_slopes, levels, features):
    """Reconstruct rows; return the gradients with respect to reconstructions and codes.

    Parameters
    ----------
    backend : Backend
        Implementation of the computations.
    codes : Codes or DenseCodes
        Codes of the rows.
    target : torch.Tensor of shape (..., n, d)
        Rows to reconstruct.
    components : torch.Tensor of shape (..., m, d)
        Decoder directions.
    factors : torch.Tensor of shape (n,)
        Weight of each row in the loss, divided by their number.
    row_slopes : torch.Tensor of shape (..., n)
        Gradient of the penalty with respect to each code that fires.
    levels : Levels
        Nested prefixes and their weights.
    features : Alone or another group
        Processes that hold features of the dictionary.

    Returns
    -------
    (torch.Tensor, list of Pull, torch.Tensor)
        Squared errors of the full reconstruction, shape (..., n); the gradient with respect to the
        reconstruction for each group of features; and the gradient with respect to codes.
    """
    factors = 2 * factors
    if len(levels.ends) == 1:
        options = factors, row_slopes, features
        errors, pull, slopes = backend.rebuild(codes, target, components, *options)
        return errors, [Pull(0, levels.ends[0], pull)], slopes
    options = factors, row_slopes, levels, features
    return backend.rebuild_nested(codes, target, components, *options)
