"""From new codes to new activations."""

import torch


def through_codes(dictionary, change, *, error, target=None):
    r"""Return the function that rewrites activations by way of their codes.

    With codes c of activations x and new codes c', one of

    .. math:: x + (c' - c) D, \qquad \nu + c' D, \qquad x^* + (c' - c^*) D

    for `error` "keep", "drop" and "target", where x* and c* are those of another run. Sums go
    over the codes that differ alone, so that what changes nothing leaves every bit as it is.

    Parameters
    ----------
    dictionary : AffineDictionary or HostDictionary
        Frozen.
    change : callable
        ``change(codes, start)``: codes (texts, tokens, m) to new ones; the first of these
        tokens stands in column `start` of the whole texts.
    error : {"keep", "target", "drop"}
        What becomes of what the dictionary does not rebuild.
    target : callable, optional
        ``target(texts, tokens, start)`` gives x* and c*, or None where the other run has no
        such columns.

    Returns
    -------
    callable
        ``rewrite(x, edited, start)``: activations (texts, tokens, d), which of them are to be
        edited (texts, tokens), and the column of the first; gives activations.
    """

    def rewrite(x, edited, start):
        shape = *edited.shape, len(dictionary.components)
        codes = x.new_zeros(shape)
        codes[edited] = dictionary.encode(x[edited])
        new = _checked(change(codes.clone(), start), codes, edited)
        if error == "drop":
            return torch.where(edited[..., None], dictionary.decode(new), x)
        base = x
        other = target(*edited.shape, start) if error == "target" else None
        if other is not None:
            base = torch.where(edited[..., None], other[0], x)
            codes = other[1]
        difference = torch.where(edited[..., None], new - codes, 0)
        return add_codes(base, difference, dictionary.components)

    return rewrite


def add_codes(x, difference, components):
    """Return activations with a difference of codes added; unchanged where it is zero."""
    if difference.requires_grad:
        return x + difference @ components
    differs = (difference != 0).flatten(0, -2).any(dim=0)
    if not differs.any():
        return x
    return x + difference[..., differs] @ components[differs]


def _checked(new, codes, edited):
    """Refuse new codes of another shape, or that are not finite."""
    if not torch.is_tensor(new) or new.shape != codes.shape:
        got = f"shape {tuple(new.shape)}" if torch.is_tensor(new) else type(new).__name__
        raise ValueError(
            f"the edit returned {got} for codes of shape {tuple(codes.shape)} (texts, tokens, "
            f"features); return a tensor of the same shape"
        )
    new = new.to(codes)
    # The sum is finite unless a code is not, or it overflows: then each is looked at.
    if not new[edited].sum().isfinite() and not new[edited].isfinite().all():
        raise ValueError(
            "the edit returned codes that are NaN or infinite; return finite numbers for every "
            "position"
        )
    return new
