"""Select the largest entries of a row or a batch without synchronising with the device.

Non-negative floats are ordered like their bit patterns, so bisection over bits finds the k-th
largest with a fixed number of counts. A group of processes sums counts by digit of eleven bits
instead, which takes fewer exchanges. Ties are broken by row, then by feature, lowest first.
"""

import torch

from skdict._core._group import ALONE
from skdict._core._shared_selection import (
    batch_rooms,
    entries_with_shared_ties,
    filled_up,
    largest_of_shared_rows,
)

BITS = {torch.float32: torch.int32, torch.float64: torch.int64}
DIGIT_BITS = 11


def largest_of_rows(strengths, k, most=None, features=ALONE):
    """Return a mask of the k largest positive strengths of each row.

    Parameters
    ----------
    strengths : torch.Tensor of shape (..., n, m)
        Entries to select from; those that are not positive are never selected.
    k : int or torch.Tensor of shape (stack, 1)
        Number of entries per row, at most m; for a stack, one number per dictionary.
    most : int, optional
        Largest k in a stack; m by default.
    features : Alone or another group, optional
        Processes that hold further features, which is not possible for a stack.

    Returns
    -------
    torch.Tensor of shape (..., n, m), dtype bool
    """
    if features.size > 1:
        return largest_of_shared_rows(strengths, k, features)
    if torch.is_tensor(k):
        last = (k - 1).expand(strengths.shape[:-1]).unsqueeze(-1)
        least = strengths.topk(most or strengths.shape[-1], dim=-1).values.gather(-1, last)
        k = k.unsqueeze(-1)
    else:
        least = strengths.topk(k, dim=-1, sorted=False).values.amin(-1, keepdim=True)
    return _with_ties(strengths, least.clamp(min=0), k)


def largest_of_batch(strengths, k, eligible, group=ALONE):
    """Return a mask of the floor(k n) largest positive strengths of the n eligible rows.

    In the other rows, entries that reach the smallest selected strength are selected.

    Parameters
    ----------
    strengths : torch.Tensor of shape (..., n, m)
        Entries to select from; those that are not positive are never selected.
    k : float or torch.Tensor of shape (stack, 1)
        Mean number of entries per row.
    eligible : torch.Tensor of shape (n,), dtype bool
        Mask of the rows that compete in the selection.
    group : Alone or another group, optional
        Processes that hold further rows of the batch, or further features.

    Returns
    -------
    torch.Tensor of shape (..., n, m), dtype bool
    """
    flat = strengths.where(eligible.unsqueeze(-1), 0).flatten(-2)
    count = batch_count(k, eligible, group)
    least = kth_largest(flat, count, group)
    if group.features.size > 1:
        strong = flat.view_as(strengths)
        equal = ((strong == least) & (least > 0)).sum(-1)
        room = batch_rooms(equal, (flat > least).sum(-1, keepdim=True), count, group.features)
        chosen = filled_up(strong, least, room)
    else:
        chosen = _with_ties(flat, least, count, group.rows).view_as(strengths)
    least = least.unsqueeze(-1)
    reach = (strengths >= least) & (strengths > 0)
    return torch.where(eligible.unsqueeze(-1), chosen, reach)


def batch_count(k, eligible, group):
    """Return floor(k n) for the n eligible rows of all processes, on the device, (..., 1)."""
    n = eligible.sum(dtype=torch.int64)
    group.rows.sum_([n])
    return (k * n.double()).floor().long().reshape(k.shape if torch.is_tensor(k) else (1,))


def kth_largest(values, count, group=ALONE):
    """Return the count-th largest positive value, or 0 if there are fewer.

    Parameters
    ----------
    values : torch.Tensor of shape (..., nnz)
        Values in float32 or float64.
    count : torch.Tensor of shape (..., 1), dtype int64
        Rank, counted from 1. A rank of 0 returns infinity.
    group : Alone or another group, optional
        Processes that hold further values.

    Returns
    -------
    torch.Tensor of shape (..., 1)
    """
    if group.size > 1:
        return _kth_by_digits(values, count, group)
    dtype = BITS[values.dtype]
    low = torch.zeros(*values.shape[:-1], 1, dtype=dtype, device=values.device)
    high = torch.full_like(low.view(values.dtype), torch.inf).view(dtype)
    for _ in range(8 * dtype.itemsize - 1):
        middle = low + (high - low + 1) // 2
        reaching = (values >= middle.view(values.dtype)).sum(-1, keepdim=True)
        enough = reaching >= count
        low = torch.where(enough, middle, low)
        high = torch.where(enough, high, middle - 1)
    return low.view(values.dtype)


def _kth_by_digits(values, count, group):
    """Return `kth_largest` of values (nnz,), with one exchange for each digit of bit patterns.

    Bisection would take as many exchanges as there are bits, and an exchange of a few numbers
    takes as long as a message, however small.
    """
    dtype = BITS[values.dtype]
    bits, held = values.contiguous().view(dtype), values > 0
    found, rest = torch.zeros_like(count), count
    for shift in reversed(range(0, 8 * dtype.itemsize, DIGIT_BITS)):
        digits = ((bits >> shift) & (2**DIGIT_BITS - 1)).long()
        counts = torch.zeros(2**DIGIT_BITS, dtype=torch.int64, device=values.device)
        counts.scatter_add_(0, digits, held.long())
        group.sum_([counts])
        reaching = counts.flip(0).cumsum(0).flip(0)
        # All digits are zero if there are too few values.
        digit = ((reaching >= rest).sum() - 1).clamp(min=0)
        rest = rest - (reaching - counts)[digit]
        held &= digits == digit
        found = (found << DIGIT_BITS) | digit
    kth = found.to(dtype).view(values.dtype)
    return torch.where(count > 0, kth, torch.inf)


def _with_ties(strengths, least, k, group=ALONE):
    """Return a mask of the strengths above `least`, filled up to k with strengths equal to it.

    Parameters
    ----------
    strengths : torch.Tensor of shape (..., entries)
        Entries to select from.
    least : torch.Tensor of shape (..., 1)
        The k-th largest strength along the last axis, or 0.
    k : int or torch.Tensor of shape (..., 1)
        Number of entries to select.
    group : Alone or another group, optional
        Processes that hold further entries, in the order of their ranks.
    """
    above, equal = strengths > least, (strengths == least) & (least > 0)
    n_above = above.sum(-1, keepdim=True)
    n_before = torch.zeros_like(n_above)
    if group.size > 1:
        by_rank = n_above.new_zeros(group.size, *n_above.shape)
        by_rank[group.rank] = equal.sum(-1, keepdim=True)
        group.sum_([n_above, by_rank])
        n_before = by_rank[: group.rank].sum(0)
    room = k - n_above - n_before
    return above | (equal & (equal.cumsum(-1, dtype=torch.int32) <= room))


def largest_of_batch_entries(codes, count, eligible, group):
    """Select as `largest_of_batch` does, from codes that hold all entries above some number.

    Parameters
    ----------
    codes : Codes
        Entries with positive pre-activations.
    count : torch.Tensor of shape (1,), dtype int64
        Number of entries to select from eligible rows.
    eligible : torch.Tensor of shape (n,), dtype bool
        Mask of the rows that compete in the selection.
    group : Alone or another group
        Processes that hold further rows of the batch, or further features.

    Returns
    -------
    (Codes, float)
        The selected entries, and the smallest selected pre-activation of the eligible rows.
    """
    of_eligible = eligible[codes.rows()]
    strengths = codes.pre.where(of_eligible, 0)
    least = kth_largest(strengths, count, group)
    if group.features.size > 1:
        chosen = entries_with_shared_ties(strengths, codes, least, count, group.features)
    else:
        chosen = _with_ties(strengths, least, count, group.rows)
    chosen |= ~of_eligible & (codes.pre >= least)
    return codes.only(chosen), float(least)


def largest_of_row_entries(codes, k):
    """Return the k largest entries of each row of `Codes` with positive pre-activations."""
    rows = codes.rows()
    # Sort by row, then by descending value, then by feature.
    order = codes.pre.argsort(descending=True, stable=True)
    order = order[rows[order].argsort(stable=True)]
    rank = torch.arange(len(order)) - codes.row_ends[rows]
    chosen = torch.zeros_like(codes.pre, dtype=torch.bool)
    chosen[order] = rank < k
    return codes.only(chosen)
