r"""Squared errors of nested prefixes of a dictionary.

With prefixes of sizes :math:`m_1 < \ldots < m_L = m` and weights :math:`\lambda_l` that sum to 1,
the squared error of a row is :math:`\sum_l \lambda_l \|x - \hat x_l\|^2`, where
:math:`\hat x_l` is rebuilt from the codes of the first :math:`m_l` features. A feature of group
g (between :math:`m_{g-1}` and :math:`m_g`) takes part in the levels from g on, so it sees the
suffix sum :math:`\sum_{l \ge g} \lambda_l r_l` of their residuals. One level of all features is
the plain squared error.
"""

from itertools import pairwise
from typing import NamedTuple

import torch


class Levels(NamedTuple):
    """Prefix sizes and their weights.

    Parameters
    ----------
    ends : tuple of int
        Increasing; the last is the number of features.
    weights : tuple of float
        One for each, summing to 1.
    """

    ends: tuple
    weights: tuple

    def groups(self):
        """Return the first feature of each group and the one after its last."""
        return list(pairwise((0, *self.ends)))


def whole(n_components):
    """Return the one level of all features."""
    return Levels((n_components,), (1.0,))


class Pull(NamedTuple):
    """The slope of the loss along reconstructions, as the features of one group see it."""

    start: int
    stop: int
    slopes: torch.Tensor
    """Shape (..., n, d)."""


def differentiate(backend, codes, x, components, factors, row_slopes, levels):
    """Rebuild rows and return how the loss changes with reconstructions and codes.

    Parameters
    ----------
    backend : Backend
        Does the products.
    codes : Codes or DenseCodes
        Codes of the rows.
    x : torch.Tensor of shape (n, d)
        Rows.
    components : torch.Tensor of shape (..., m, d)
        Decoder directions.
    factors : torch.Tensor of shape (n,)
        Weight of each row in the loss, divided by their number.
    row_slopes : torch.Tensor of shape (..., n)
        Slope of the penalties along each code that fires.
    levels : Levels
        The prefixes.

    Returns
    -------
    (torch.Tensor, list of Pull, torch.Tensor)
        Squared errors of the full reconstruction, shape (..., n); the pull on each group; the
        slopes of the loss along codes.
    """
    factors = 2 * factors
    if len(levels.ends) == 1:
        errors, pull, slopes = backend.rebuild(codes, x, components, factors, row_slopes)
        return errors, [Pull(0, levels.ends[0], pull)], slopes
    return backend.rebuild_nested(codes, x, components, factors, row_slopes, levels)
