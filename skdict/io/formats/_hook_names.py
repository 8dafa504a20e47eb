"""Translate the names that publishers give hook points to those of this package."""

import re

from skdict.models import from_transformer_lens

# The block of a module path, such as "model.layers.9.mlp", and the module inside it.
PATH = re.compile(r"(?:\w+\.)*(?:layers|h|blocks)\.(\d+)(?:\.(.+))?")
ATTENTION = ("self_attn", "attn", "attention")
HEADS = ("self_attn.o_proj", "attn.c_proj", "attention.dense")
# Modules of a block and the side of them that is a hook point, whatever the model.
PARTS = {
    (None, "output"): "resid_post",
    (None, "input"): "resid_pre",
    ("mlp", "input"): "mlp_in",
    ("pre_feedforward_layernorm", "output"): "mlp_in",
    ("post_feedforward_layernorm", "output"): "mlp_out",
    ("post_attention_layernorm", "output"): "attn_out",
    **{(name, "input"): "attn_heads" for name in HEADS},
}
# Modules whose output is added to the residual stream, unless a norm follows, as in Gemma 2 and 3.
ADDED = {("mlp", "output"): "mlp_out", **{(name, "output"): "attn_out" for name in ATTENTION}}
NORM_FOLLOWS = re.compile(r"gemma-?[23]", re.IGNORECASE)
# Names such as "resid_post_layer_9" and "mlp_out_layer3", and "resid_out", which is older.
SITES = {
    "resid_post": "resid_post",
    "resid_out": "resid_post",
    "resid_pre": "resid_pre",
    "attn_out": "attn_out",
    "mlp_out": "mlp_out",
}
SITE = re.compile(rf"({'|'.join(SITES)})(?:_all)?[_/]layer_?(\d+)")


def hook_point_of(name, *, side="output", model=None):
    """Return the hook point here of a publisher's name; names without a counterpart are kept.

    Parameters
    ----------
    name : str or None
        Name in TransformerLens, such as "blocks.9.hook_resid_post"; path of a module, such as
        "model.layers.9" or "layers.9.mlp", with or without ".input" or ".output"; or a name such
        as "resid_post_layer_9".
    side : {"input", "output"}, default="output"
        Side of a module whose path does not state it.
    model : str, optional
        Name of the model. In Gemma 2 and 3 a norm follows attention and MLP, so that their
        outputs are not what is added to the residual stream.

    Returns
    -------
    str or None
        Name such as "resid_post.9".
    """
    if name is None:
        return None
    ours = from_transformer_lens(name) or site_of(name, whole=True)
    if ours is not None:
        return ours
    path, dot, last = name.rpartition(".")
    stated = bool(dot) and last in ("input", "output")
    match = PATH.fullmatch(path if stated else name)
    if match is None:
        return name
    place = match[2], last if stated else side
    kind = PARTS.get(place)
    if kind is None and not NORM_FOLLOWS.search(model or ""):
        kind = ADDED.get(place)
    return f"{kind}.{int(match[1])}" if kind else name


def site_of(path, *, whole=False):
    """Return the hook point in a path such as "resid_post/layer_9_width_16k", or None.

    Parameters
    ----------
    path : str
        Path or name.
    whole : bool, default=False
        If True, the path must not contain anything else.

    Returns
    -------
    str or None
    """
    match = SITE.fullmatch(path) if whole else SITE.search(path)
    return f"{SITES[match[1]]}.{int(match[2])}" if match else None


def layer_of(path):
    """Return the last layer that a path names, as in "layer_9" or "layers.9", or None."""
    found = re.findall(r"layers?[._-]?(\d+)", path)
    return int(found[-1]) if found else None
