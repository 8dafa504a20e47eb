"""Select the largest entries when the features of a dictionary are held by several processes.

The processes exchange the largest values of each row, or the number of ties, and no codes. As in
one process, ties are broken by row, then by feature, lowest first.
"""

import torch


def row_cutoffs(top, k, features):
    """Return the k-th largest value of each row over all processes, and the room for ties here.

    Parameters
    ----------
    top : torch.Tensor of shape (n, k)
        The k largest values of each row in this process, padded with zeros.
    k : int
        Number of entries to select per row.
    features : Group
        Processes that hold features.

    Returns
    -------
    (torch.Tensor, torch.Tensor)
        Cutoffs (n, 1), zero where fewer than k values are positive, and the number of values equal
        to the cutoff that this process may select, which can be negative.
    """
    everyone = features.gather(top)
    values = everyone.permute(1, 0, 2).flatten(1)
    least = values.topk(k, dim=-1, sorted=False).values.amin(-1, keepdim=True).clamp(min=0)
    n_above = (everyone > least).sum((0, 2)).unsqueeze(-1)
    n_before = (everyone[: features.rank] == least).sum((0, 2)).unsqueeze(-1)
    return least, k - n_above - n_before


def batch_rooms(n_equal, n_above, count, features):
    """Return how many ties each row may select in this process.

    Parameters
    ----------
    n_equal : torch.Tensor of shape (n,)
        Number of entries of each row here that equal the cutoff.
    n_above : torch.Tensor of shape (1,)
        Number of entries here above the cutoff; replaced by that of all processes.
    count : torch.Tensor of shape (1,)
        Number of entries to select from all rows.
    features : Group
        Processes that hold features.

    Returns
    -------
    torch.Tensor of shape (n, 1)
        Room for ties, which can be negative.
    """
    features.sum_([n_above])
    everyone = features.gather(n_equal)
    of_rows = everyone.sum(0)
    before = of_rows.cumsum(0) - of_rows + everyone[: features.rank].sum(0)
    return (count - n_above - before).unsqueeze(-1)


def largest_of_shared_rows(strengths, k, features):
    """Return a mask of the k largest positive strengths of each row over all processes.

    Parameters
    ----------
    strengths : torch.Tensor of shape (n, m)
        Entries of the features of this process.
    k : int
        Number of entries per row.
    features : Group
        Processes that hold features.

    Returns
    -------
    torch.Tensor of shape (n, m), dtype bool
    """
    here = strengths.topk(min(k, strengths.shape[-1]), dim=-1, sorted=False).values
    top = here.new_zeros(len(here), k)
    top[:, : here.shape[-1]] = here
    return filled_up(strengths, *row_cutoffs(top, k, features))


def filled_up(strengths, least, room):
    """Return a mask of the strengths above `least`, and of the first equal ones of each row.

    Parameters
    ----------
    strengths : torch.Tensor of shape (n, m)
        Entries to select from.
    least : torch.Tensor of shape (n, 1) or (1,)
        Cutoff; zero selects all positive entries.
    room : torch.Tensor of shape (n, 1)
        Number of entries equal to the cutoff to select from each row.
    """
    equal = (strengths == least) & (least > 0)
    return (strengths > least) | (equal & (equal.cumsum(-1, dtype=torch.int32) <= room))


def largest_of_shared_row_entries(codes, k, features):
    """Return the entries of `Codes` among the k largest of their row over all processes.

    Parameters
    ----------
    codes : Codes
        At most k entries per row, with positive pre-activations.
    k : int
        Number of entries per row.
    features : Group
        Processes that hold features.
    """
    rows = codes.rows()
    places = torch.arange(len(rows)) - codes.row_ends[rows]
    top = codes.pre.new_zeros(len(codes.row_ends) - 1, k)
    top[rows, places] = codes.pre
    least, room = row_cutoffs(top, k, features)
    return codes.only(_filled_up_entries(codes.pre, rows, codes, least[rows, 0], room))


def entries_with_shared_ties(strengths, codes, least, count, features):
    """Return a mask of the entries above a cutoff, filled up to `count` with equal ones.

    Parameters
    ----------
    strengths : torch.Tensor of shape (nnz,)
        Strength of each entry.
    codes : Codes
        The entries.
    least : torch.Tensor of shape (1,)
        Cutoff.
    count : torch.Tensor of shape (1,)
        Number of entries to select over all processes.
    features : Group
        Processes that hold features.
    """
    rows, n = codes.rows(), len(codes.row_ends) - 1
    n_equal = torch.bincount(rows[(strengths == least) & (least > 0)], minlength=n)
    n_above = (strengths > least).sum().reshape(1)
    room = batch_rooms(n_equal, n_above, count, features)
    return _filled_up_entries(strengths, rows, codes, least, room)


def _filled_up_entries(strengths, rows, codes, least, room):
    """Return the mask of `filled_up` for sparse entries."""
    equal = (strengths == least) & (least > 0)
    n_before = torch.cat([rows.new_zeros(1), equal.cumsum(0)])
    turn = n_before[1:] - n_before[codes.row_ends[rows]]
    return (strengths > least) | (equal & (turn <= room[rows, 0]))
