"""Translate hook points between TransformerLens' names and those of this package."""

import re

# The same activations, if TransformerLens loads the model without processing its weights.
SUFFIXES = {
    "resid_pre": "hook_resid_pre",
    "resid_mid": "hook_resid_mid",
    "resid_post": "hook_resid_post",
    "attn_out": "hook_attn_out",
    "attn_heads": "attn.hook_z",
    # "hook_mlp_in" is not the same: it comes before the norm.
    "mlp_in": "mlp.hook_in",
    "mlp_out": "hook_mlp_out",
    "mlp_act": "mlp.hook_post",
}
KINDS = {suffix: kind for kind, suffix in SUFFIXES.items()}


def from_transformer_lens(name):
    """Return the hook point with a TransformerLens name, or None if there is none.

    Parameters
    ----------
    name : str
        Name such as "blocks.2.hook_resid_post".

    Returns
    -------
    str or None
        Name such as "resid_post.2".
    """
    match = re.fullmatch(r"blocks\.(\d+)\.(.+)", name)
    kind = match and KINDS.get(match[2])
    return f"{kind}.{int(match[1])}" if kind else None


def to_transformer_lens(name):
    """Return the TransformerLens name of a hook point, or None if there is none.

    Parameters
    ----------
    name : str
        Name such as "resid_post.2".

    Returns
    -------
    str or None
        Name such as "blocks.2.hook_resid_post".
    """
    match = re.fullmatch(rf"({'|'.join(SUFFIXES)})\.(\d+)", name)
    return f"blocks.{int(match[2])}.{SUFFIXES[match[1]]}" if match else None


def explain_transformer_lens(name):
    """Return a hint for a name in the style of TransformerLens, or an empty string.

    Parameters
    ----------
    name : str
        Name that is not a hook point.

    Returns
    -------
    str
        Hint to insert in a message.
    """
    ours = from_transformer_lens(name)
    if ours is not None:
        return f'did you mean "{ours}"? '
    if not name.rpartition(".")[2].startswith("hook_"):
        return ""
    if name.endswith(".hook_mlp_in"):
        return (
            "TransformerLens' hook_mlp_in is the residual stream before the norm, which is "
            "resid_mid here (resid_pre in parallel blocks); mlp_in comes after the norm. "
        )
    if name.endswith(".ln2.hook_normalized"):
        return (
            "TransformerLens' ln2.hook_normalized comes before the weight of an RMSNorm; mlp_in "
            "is what the MLP reads. "
        )
    return "this TransformerLens name has no equivalent. "
