r"""Find every entry that can exceed its cutoff with a cheap product that provably misses none.

Rows and encoder are rounded to a narrow dtype, which the processor multiplies several times
faster. With :math:`x = \hat x + e` and :math:`w = \hat w + f`, the exact identity

.. math:: x \cdot w = \hat x \cdot \hat w + \hat x \cdot f + e \cdot w

and the Cauchy-Schwarz inequality bound the effect of rounding:

.. math:: |x \cdot w - \hat x \cdot \hat w| \le \|\hat x\| \|f\| + \|e\| \|w\|.

The norms on the right are measured, not estimated, so an entry whose bound does not reach its
cutoff has neither a value nor a gradient. The few that pass are recomputed in full precision:
codes are exact, and bitwise the same for every screening dtype.
"""

from dataclasses import dataclass

import torch

KINDS = ("int8", "bfloat16", "full")
# Half a unit in the last place of bfloat16, the dtype in which its products are returned.
BFLOAT16_ROUNDING = 2.0**-8
PRODUCT_DTYPES = {"int8": torch.int32, "bfloat16": torch.bfloat16}
# Larger than any product of int8 rows of up to 65,000 entries, and exact in float32.
MOST_PRODUCT = 2.0**30


@dataclass(frozen=True)
class Rounded:
    """Rows rounded to a narrow dtype, with the norms of their rounding errors.

    Parameters
    ----------
    values : torch.Tensor of shape (n, d)
        Rows in the narrow dtype, divided by their scales.
    scales : torch.Tensor of shape (n,)
        Scale of each row.
    lengths : torch.Tensor of shape (n,)
        Norms of the rounded rows.
    errors : torch.Tensor of shape (n,)
        Norms of the rounding errors.
    """

    values: torch.Tensor
    scales: torch.Tensor
    lengths: torch.Tensor
    errors: torch.Tensor

    def part(self, rows):
        """Return the rows selected by a slice."""
        return Rounded(self.values[rows], self.scales[rows], self.lengths[rows], self.errors[rows])


def round_rows(x, kind, *, one_scale=False):
    """Round rows to a narrow dtype.

    Parameters
    ----------
    x : torch.Tensor of shape (n, d)
        Rows, or the directions of an encoder.
    kind : {"int8", "bfloat16", "full"}
        Narrow dtype; "full" does not round.
    one_scale : bool, default=False
        If True, use one scale for all rows, which makes their products comparable.

    Returns
    -------
    Rounded
    """
    ones = x.new_ones(len(x))
    if kind == "full":
        return Rounded(x, ones, torch.linalg.vector_norm(x, dim=1), torch.zeros_like(ones))
    if kind == "bfloat16":
        values = x.bfloat16()
        rounded, scales = values.to(x.dtype), ones
    else:
        tiny = torch.finfo(x.dtype).tiny
        largest = torch.maximum(x.amax(1), -x.amin(1)).clamp_(min=127 * tiny)
        scales = (largest.max() * ones if one_scale else largest) / 127
        rounded = torch.div(x, scales[:, None]).round_()
        values = rounded.to(torch.int8)
        rounded.mul_(scales[:, None])
    lengths = torch.linalg.vector_norm(rounded, dim=1)
    # In place, because allocating memory for all rows costs more than computing the norms.
    errors = torch.linalg.vector_norm(rounded.sub_(x), dim=1)
    return Rounded(values, scales, lengths, errors)


class Screen:
    """Rounded encoder with the error bounds that screening needs.

    Parameters
    ----------
    encoder : torch.Tensor of shape (m, d)
        Encoder directions.
    bias : torch.Tensor of shape (m,)
        Encoder bias.
    kind : {"int8", "bfloat16", "full"}
        Narrow dtype.
    round_rows : callable
        Function that rounds the encoder: `round_rows` or a faster equivalent.

    Attributes
    ----------
    rounded : Rounded
        The rounded encoder.
    longest : float
        Largest norm of an encoder direction.
    cutoff_rounding : float
        Fraction of a cutoff by which rounding of sums and products can lower a value that reaches
        it.
    """

    def __init__(self, encoder, bias, kind, round_rows=round_rows):
        self.kind, self._bias = kind, bias
        self.rounded = round_rows(encoder, kind)
        self.longest = (self.rounded.lengths + self.rounded.errors).max()
        unit = torch.finfo(encoder.dtype).eps
        # Sums of d products in any order, here and again when codes are recomputed.
        self._sum_rounding = (2 * encoder.shape[1] + 8) * unit
        given_back = BFLOAT16_ROUNDING if kind == "bfloat16" else 0.0
        self._product_rounding = 1 + given_back
        self.cutoff_rounding = given_back + 8 * unit

    def column_bounds(self, cutoff=None):
        """Return biases minus cutoffs (m,), raised by the largest possible rounding error."""
        cutoff = torch.zeros_like(self._bias) if cutoff is None else cutoff
        size = self._bias.abs() + cutoff.abs()
        return (self._bias - cutoff) + size * self.cutoff_rounding

    def row_margins(self, x):
        """Return how far the products of each rounded row can fall short, the row's part of it.

        Parameters
        ----------
        x : Rounded
            Rows rounded to the same kind.

        Returns
        -------
        torch.Tensor of shape (n,)
            Part of the bound that depends on the row only; the full bound adds ``lengths`` of the
            row times ``errors`` of the direction.
        """
        rounding = self._sum_rounding * self.longest * (x.lengths + x.errors)
        return (x.errors * self.longest + rounding) * self._product_rounding

    def products(self, x, out):
        """Return the products of rounded rows and directions, in units of both their scales."""
        weights = self.rounded.values.T
        if self.kind == "int8":
            return torch._int_mm(x.values, weights, out=out)
        return torch.mm(x.values, weights, out=out)

    def thresholds(self, x, cutoff):
        """Return the products that entries must exceed to pass their cutoffs, valid for all rows.

        Parameters
        ----------
        x : Rounded
            Rows with a common scale.
        cutoff : torch.Tensor of shape (m,)
            Cutoff of each feature; pre-activations at or below it have no effect.

        Returns
        -------
        torch.Tensor of shape (m,)
            Thresholds in the dtype of the products, rounded down.
        """
        hidden = x.lengths.max() * self.rounded.errors * self._product_rounding
        least = -(self.column_bounds(cutoff) + self.row_margins(x).max() + hidden)
        least /= self.rounded.scales * x.scales[0]
        dtype = PRODUCT_DTYPES.get(self.kind, least.dtype)
        if self.kind == "int8":
            return least.floor_().sub_(1).clamp_(-MOST_PRODUCT, MOST_PRODUCT).to(dtype)
        rounding = torch.finfo(dtype).eps
        return least.sub_(least.abs(), alpha=rounding).to(dtype)

    def upper_bounds(self, x, products):
        """Return upper bounds and estimates of pre-activations, each of shape (n, m).

        Parameters
        ----------
        x : Rounded
            Rows rounded to the same kind.
        products : torch.Tensor of shape (n, m)
            Result of `products` for these rows.
        """
        estimates = products.to(self._bias.dtype) * self.rounded.scales
        estimates.mul_(x.scales[:, None])
        hidden = x.lengths * self._product_rounding
        bounds = torch.addr(estimates, hidden, self.rounded.errors)
        bounds += self.row_margins(x)[:, None]
        bounds += self.column_bounds()
        return bounds, estimates.add_(self._bias)

    def new_products(self, n_rows):
        """Allocate a buffer for the products of `n_rows` rows."""
        dtype = PRODUCT_DTYPES.get(self.kind, self._bias.dtype)
        return torch.empty(n_rows, len(self._bias), dtype=dtype)
