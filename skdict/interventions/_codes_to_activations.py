"""Compute new activations from new codes."""

import torch

from skdict.decomposition import is_transcoder


def through_codes(dictionary, change, *, error, target=None):
    r"""Return the function that rewrites activations through codes.

    With codes c of activations x, new codes c', decoder directions D and offset :math:`\nu`, it
    returns

    .. math:: y + (c' - c) D, \qquad \nu + c' D, \qquad y^* + (c' - c^*) D

    for `error` "keep", "drop" and "target", where y is x and y* and c* come from another run. With
    a transcoder, y is what it predicts from x, and its skip connection is added to the second form.
    Sums run only over codes that differ, so that an edit that changes nothing keeps every bit.

    Parameters
    ----------
    dictionary : AffineDictionary, HostDictionary, AffineTranscoder or HostTranscoder
        Frozen dictionary.
    change : callable
        Function ``change(codes, start)`` from codes (texts, tokens, m) to new codes; `start` is
        the column of the first of these tokens in the complete texts.
    error : {"keep", "target", "drop"}
        Treatment of the reconstruction error, see `intervene`.
    target : callable, optional
        Function ``target(texts, tokens, start)`` that returns y* and c*, or None if the other run
        has no such columns.

    Returns
    -------
    callable
        Function ``rewrite(x, y, edited, start)`` from activations to encode (texts, tokens, d) and
        to edit (texts, tokens, d_out), flags of the tokens to edit (texts, tokens) and the column
        of the first token to new activations. Except with a transcoder, x and y are the same.
    """

    def rewrite(x, y, edited, start):
        shape = *edited.shape, len(dictionary.components)
        codes = x.new_zeros(shape)
        codes[edited] = dictionary.encode(x[edited])
        new = _checked(change(codes.clone(), start), codes, edited)
        if error == "drop":
            return torch.where(edited[..., None], decoded(dictionary, new, x, codes, edited), y)
        base = y
        other = target(*edited.shape, start) if error == "target" else None
        if other is not None:
            base = torch.where(edited[..., None], other[0], y)
            codes = other[1]
        difference = torch.where(edited[..., None], new - codes, 0)
        return add_codes(base, difference, dictionary.components)

    return rewrite


def decoded(dictionary, new, x, codes, edited):
    """Return the activations that new codes decode to, valid at the edited tokens.

    With a transcoder, they include the part of its prediction from activations x that the codes of
    x do not decode to, which is its skip connection.
    """
    rows = dictionary.decode(new)
    if is_transcoder(dictionary):
        rows[edited] = rows[edited] + dictionary.rest(x[edited], codes[edited])
    return rows


def add_codes(x, difference, components):
    """Return activations plus a decoded difference of codes; unchanged where it is zero."""
    if difference.requires_grad:
        return x + difference @ components
    differs = (difference != 0).flatten(0, -2).any(dim=0)
    if not differs.any():
        return x
    return x + difference[..., differs] @ components[differs]


def _checked(new, codes, edited):
    """Return new codes; raise ValueError if they have another shape or are not finite."""
    if not torch.is_tensor(new) or new.shape != codes.shape:
        got = f"shape {tuple(new.shape)}" if torch.is_tensor(new) else type(new).__name__
        raise ValueError(
            f"the edit returned {got} for codes of shape {tuple(codes.shape)} (texts, tokens, "
            f"features); return a tensor of the same shape"
        )
    new = new.to(codes)
    # A finite sum shows that all codes are finite; otherwise each one is checked.
    if not new[edited].sum().isfinite() and not new[edited].isfinite().all():
        raise ValueError(
            "the edit returned codes that are NaN or infinite; return finite codes at every "
            "position"
        )
    return new
