"""Blocks of columns: aligned rows of several hook points or models, side by side."""

import numbers
from dataclasses import dataclass, replace

import numpy as np
import torch

from skdict._core import OutlierRule, outlier_weights

EXAMPLE = "blocks=[576, 576] for two hook points of width 576"
# Rounding errors of weights that were converted to the units of the rows and back, in units of
# the machine precision.
ROUNDING = 64


def check_blocks(sae):
    """Check the sizes of the blocks, if any.

    Raises
    ------
    TypeError
        If `blocks` is neither None nor a sequence of integers.
    ValueError
        If it is empty or a size is not positive.
    """
    given = getattr(sae, "blocks", None)
    if given is None:
        return
    listed = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(listed, (list, tuple)) or not all(map(_is_integer, listed)):
        raise TypeError(
            f"blocks={given!r} is not accepted: pass the number of columns of each block, such as "
            f"{EXAMPLE}, or None"
        )
    if not listed or min(listed) < 1:
        raise ValueError(f"blocks={given!r} must contain positive sizes; pass {EXAMPLE}")


def block_sizes(sae, width):
    """Return the sizes of the blocks of rows as a tuple, or None if there are no blocks.

    Raises
    ------
    ValueError
        If the sizes do not sum to the width of the rows.
    """
    given = getattr(sae, "blocks", None)
    if given is None:
        return None
    sizes = tuple(map(int, given))
    if sum(sizes) != width:
        raise ValueError(
            f"blocks={given!r} sums to {sum(sizes)}, but X has {width} columns; pass the width of "
            f"each hook point, in the order of the columns"
        )
    return sizes


def split_columns(rows, sizes):
    """Return views of the blocks of columns of an array or tensor (n, d), as a list."""
    ends = np.cumsum(sizes).tolist()
    return [rows[:, end - size : end] for size, end in zip(sizes, ends, strict=True)]


@dataclass(frozen=True)
class BlockScale:
    """Centre, scale and outlier cutoff of each of several blocks of columns.

    It has the attributes of `RowScale`, for all blocks together. Each block is divided by its own
    root mean square norm times the square root of the number of blocks, so that whole rows have
    unit mean square norm.

    Parameters
    ----------
    sizes : tuple of int
        Number of columns of each block.
    mean : ndarray of shape (d,)
        Row that is subtracted from all rows.
    scale, cutoff : ndarray of shape (n_blocks,)
        Divisor and outlier cutoff of each block.
    error_unit, inlier_error_unit : float
        FVU at a mean squared error of 1 on scaled rows: of all rows, and of the inliers.
    """

    sizes: tuple
    mean: np.ndarray
    scale: np.ndarray
    cutoff: np.ndarray
    error_unit: float
    inlier_error_unit: float

    @classmethod
    def joined(cls, sizes, parts, *, rescale):
        """Return the scale of whole rows, given the `RowScale` of each block."""
        factor = np.sqrt(len(parts)) if rescale else 1.0
        scale = np.array([part.scale for part in parts]) * factor
        mean = np.concatenate([part.mean for part in parts])
        # The variance of scaled rows is the sum over blocks.
        units = ("error_unit", "inlier_error_unit")
        sums = [sum(1 / getattr(part, unit) for part in parts) for unit in units]
        cutoff = np.array([part.cutoff for part in parts])
        return cls(sizes, mean, scale, cutoff, *(float(factor**2 / total) for total in sums))

    @property
    def unit(self):
        """Root mean square of the divisors, the unit of codes and pre-activations."""
        return float(np.sqrt(np.square(self.scale).mean()))

    @property
    def columns(self):
        """Divisor of each column, shape (d,)."""
        return np.repeat(self.scale, self.sizes)

    @property
    def rules(self):
        """Outlier rule of each block, to apply to further rows."""
        centers = split_columns(self.mean.astype(np.float64)[None], self.sizes)
        pairs = zip(centers, self.cutoff.tolist(), strict=True)
        return [OutlierRule(center[0], cutoff) for center, cutoff in pairs]

    def weights(self, x):
        """Return the weights of scaled rows (n, d) in the loss: the least over their blocks."""
        pairs = zip(split_columns(x, self.sizes), (self.cutoff / self.scale).tolist(), strict=True)
        norms = ((torch.linalg.vector_norm(block, dim=1), cutoff) for block, cutoff in pairs)
        return torch.stack([outlier_weights(*pair) for pair in norms]).amin(0)


def with_even_columns(weights, scaling):
    """Return a dictionary in units of the rows for rows whose columns have one common scale.

    Parameters
    ----------
    weights : Weights
        Weights in the units of the rows.
    scaling : BlockScale
        Scale of the blocks. The common scale is its `unit`.

    Returns
    -------
    Weights
        Weights whose gains are 1 if they come from rows with this scaling; the centre is left as
        it is. Equal gains are exactly equal, without the rounding errors of the conversion.
    """
    even = _with_scaled_directions(weights, scaling.unit / scaling.columns)
    gains, one = even.code_gains, np.median(even.code_gains)
    eps = np.finfo(weights.components.dtype).eps
    if not is_rounding(gains - one, one, eps):
        return even
    if is_rounding(one - 1, 1, eps):
        return replace(even, code_gains=None)
    return replace(even, code_gains=np.full_like(gains, one))


def without_even_columns(weights, scaling):
    """Return weights for the rows themselves, the inverse of `with_even_columns`."""
    return _with_scaled_directions(weights, scaling.columns / scaling.unit)


def _with_scaled_directions(weights, factors):
    """Return weights with decoder columns multiplied, and encoder columns divided, by factors.

    Decoder directions keep unit length, and gains and offsets are multiplied by what their length
    would be.
    """
    directions, dtype = weights.components * factors, weights.components.dtype
    lengths = np.linalg.norm(directions, axis=1)
    changed = {
        "components": directions / lengths[:, None],
        "encoder": weights.encoder / factors,
        "code_gains": lengths * (1.0 if weights.code_gains is None else weights.code_gains),
    }
    if weights.code_offsets is not None:
        changed["code_offsets"] = lengths * weights.code_offsets
    return replace(weights, **{name: array.astype(dtype) for name, array in changed.items()})


def is_rounding(errors, size, eps):
    """Return True if errors of numbers of a size are due to rounding with a machine precision."""
    return bool(np.abs(errors).max() <= ROUNDING * eps * abs(size))


class BlockNorms:
    """Mixin of dictionaries that may read blocks of columns."""

    @property
    def block_norms_(self):
        """Norm of each feature's direction in each block, shape (n_components, n_blocks).

        Directions are scaled like the rows in training. The squares of a feature sum to 1.
        """
        if not hasattr(self, "blocks_") or hasattr(self, "target_mean_"):
            raise AttributeError(
                f"this {type(self).__name__} has no block_norms_: it is not fitted, or without "
                f"blocks"
            )
        parts = split_columns(self.components_, self.blocks_)
        norms = np.stack([np.linalg.norm(part, axis=1) for part in parts], axis=1) / self.scale_
        # A feature that writes nothing has no share of any block.
        lengths = np.linalg.norm(norms, axis=1, keepdims=True)
        shares = np.divide(norms, lengths, out=np.zeros_like(norms), where=lengths > 0)
        return shares.astype(self.components_.dtype)


def _is_integer(value):
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
