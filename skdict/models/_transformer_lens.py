"""Translate hook points between TransformerLens' names and those of this package."""

import re

# The same activations, if TransformerLens loads the model without processing its weights.
SUFFIXES = {
    "resid_pre": "hook_resid_pre",
    "resid_post": "hook_resid_post",
    "attn_out": "hook_attn_out",
    "attn_heads": "attn.hook_z",
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
    if name.endswith(".hook_resid_mid"):
        return (
            "TransformerLens' hook_resid_mid has no equivalent; it is the sum of resid_pre and "
            "attn_out. "
        )
    return "this TransformerLens name has no equivalent. "
