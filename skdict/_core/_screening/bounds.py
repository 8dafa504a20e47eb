r"""Finding every entry that can exceed its cutoff by a cheap product, proven to miss none.

Rows and encoder are rounded to a narrow type, which the processor multiplies several times
faster. With :math:`x = \hat x + e` and :math:`w = \hat w + f` the exact identity

.. math:: x \cdot w = \hat x \cdot \hat w + \hat x \cdot f + e \cdot w

and the Cauchy-Schwarz inequality bound what rounding can hide:

.. math:: |x \cdot w - \hat x \cdot \hat w| \le \|\hat x\| \|f\| + \|e\| \|w\|.

The lengths on the right are measured, not estimated, so an entry whose bound does not reach its
cutoff carries nothing. The few that pass are computed again in full precision: codes are exact,
and the same to the bit whichever type they were screened in.
"""

from dataclasses import dataclass

import torch

KINDS = ("int8", "bfloat16", "full")
# Half a unit in the last place of bfloat16, in which its products are given back.
BFLOAT16_ROUNDING = 2.0**-8
PRODUCT_DTYPES = {"int8": torch.int32, "bfloat16": torch.bfloat16}
# Larger than any product of int8 rows of up to 65,000 entries, and exact in float32.
MOST_PRODUCT = 2.0**30


@dataclass(frozen=True)
class Rounded:
    """Rows in a narrow type, and what rounding has left out.

    Parameters
    ----------
    values : torch.Tensor of shape (n, d)
        In the narrow type.
    scales : torch.Tensor of shape (n,)
        What the values of each row are multiples of.
    lengths : torch.Tensor of shape (n,)
        Norms of the rounded rows.
    errors : torch.Tensor of shape (n,)
        Norms of what rounding has left out.
    """

    values: torch.Tensor
    scales: torch.Tensor
    lengths: torch.Tensor
    errors: torch.Tensor

    def part(self, rows):
        """Return some of the rows, chosen by a slice."""
        return Rounded(self.values[rows], self.scales[rows], self.lengths[rows], self.errors[rows])


def round_rows(x, kind, *, one_scale=False):
    """Return rows rounded to a narrow type.

    Parameters
    ----------
    x : torch.Tensor of shape (n, d)
        Rows, or an encoder.
    kind : {"int8", "bfloat16", "full"}
        "full" leaves them as they are.
    one_scale : bool, default=False
        Whether all rows are multiples of one number, which makes their products comparable.

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
    # In place: room for so many rows, taken anew each time, costs more than the sums.
    errors = torch.linalg.vector_norm(rounded.sub_(x), dim=1)
    return Rounded(values, scales, lengths, errors)


class Screen:
    """The encoder as screening needs it.

    Parameters
    ----------
    encoder : torch.Tensor of shape (m, d)
        Directions that codes are read along.
    bias : torch.Tensor of shape (m,)
        What is added.
    kind : {"int8", "bfloat16", "full"}
        The narrow type.
    round_rows : callable
        What rounds the encoder: `round_rows`, or a faster one.

    Attributes
    ----------
    rounded : Rounded
        The encoder.
    longest : float
        Largest norm of a direction.
    cutoff_rounding : float
        Share of a cutoff by which rounding of sums and of products can lower what reaches it.
    """

    def __init__(self, encoder, bias, kind, round_rows=round_rows):
        self.kind, self._bias = kind, bias
        self.rounded = round_rows(encoder, kind)
        self.longest = (self.rounded.lengths + self.rounded.errors).max()
        unit = torch.finfo(encoder.dtype).eps
        # Sums of d products, added up in any order, here and where codes are computed again.
        self._sum_rounding = (2 * encoder.shape[1] + 8) * unit
        given_back = BFLOAT16_ROUNDING if kind == "bfloat16" else 0.0
        self._product_rounding = 1 + given_back
        self.cutoff_rounding = given_back + 8 * unit

    def column_bounds(self, cutoff=None):
        """Return biases less cutoffs (m,), raised by what rounding can take off; shape (m,)."""
        cutoff = torch.zeros_like(self._bias) if cutoff is None else cutoff
        size = self._bias.abs() + cutoff.abs()
        return (self._bias - cutoff) + size * self.cutoff_rounding

    def row_margins(self, x):
        """Return by how much the product of each rounded row can fall short, but for `errors`.

        Parameters
        ----------
        x : Rounded
            Rows of the same kind.

        Returns
        -------
        torch.Tensor of shape (n,)
            To which ``lengths`` of the row times ``errors`` of the direction is to be added.
        """
        rounding = self._sum_rounding * self.longest * (x.lengths + x.errors)
        return (x.errors * self.longest + rounding) * self._product_rounding

    def products(self, x, out):
        """Return the products of rounded rows and directions, in units of both scales."""
        weights = self.rounded.values.T
        if self.kind == "int8":
            return torch._int_mm(x.values, weights, out=out)
        return torch.mm(x.values, weights, out=out)

    def thresholds(self, x, cutoff):
        """Return what products must exceed for an entry to pass its cutoff, for all rows alike.

        Parameters
        ----------
        x : Rounded
            Rows with one scale.
        cutoff : torch.Tensor of shape (m,)
            Pre-activations at or below it carry nothing.

        Returns
        -------
        torch.Tensor of shape (m,)
            In the dtype of the products, rounded down.
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
        """Return what pre-activations are at most, and estimates of them; shape (n, m) each.

        Parameters
        ----------
        x : Rounded
            Rows of the same kind.
        products : torch.Tensor of shape (n, m)
            Their `products`.
        """
        estimates = products.to(self._bias.dtype) * self.rounded.scales
        estimates.mul_(x.scales[:, None])
        hidden = x.lengths * self._product_rounding
        bounds = torch.addr(estimates, hidden, self.rounded.errors)
        bounds += self.row_margins(x)[:, None]
        bounds += self.column_bounds()
        return bounds, estimates.add_(self._bias)

    def new_products(self, n_rows):
        """Return room for the products of so many rows."""
        dtype = PRODUCT_DTYPES.get(self.kind, self._bias.dtype)
        return torch.empty(n_rows, len(self._bias), dtype=dtype)
