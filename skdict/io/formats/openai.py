"""Read the torch files that OpenAI publishes for GPT-2 small."""

import re

from skdict.io.formats._layout import check_k, take, text_of
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published

FILES = "a torch file with pre_bias and latent_bias (OpenAI)"
LAYOUT = {
    "pre_bias": "d",
    "encoder.weight": "nd",
    "latent_bias": "n",
    "decoder.weight": "dn",
}
# Locations in the path, as in "resid_post_mlp_v5_32k/autoencoders/8.pt".
LOCATIONS = {
    "mlp_post_act": "mlp_act",
    "resid_delta_mlp": "mlp_out",
    "resid_delta_attn": "attn_out",
    "resid_post_attn": "resid_mid",
    "resid_post_mlp": "resid_post",
}


def matches(source):
    """Return True if the torch file of a source has OpenAI's tensors."""
    tensors = source.torch_tensors()
    return tensors is not None and {"pre_bias", "latent_bias"} <= set(tensors.arrays)


def read(source):
    """Return the dictionary in a torch file; one with TopK normalises each row.

    Parameters
    ----------
    source : Source
        Folder with one torch file.

    Returns
    -------
    PretrainedDictionary

    Raises
    ------
    ValueError
        If the activation is not supported, or tensors are missing or damaged.
    """
    name = source.one_of(r"[^/]+\.pth?")
    tensors = source.torch_tensors()
    found = take(tensors, LAYOUT)
    activation = tensors.plain.get("activation", "ReLU")
    published = Published(
        found["encoder.weight"],
        found["latent_bias"],
        found["decoder.weight"].T,
        found["pre_bias"],
        subtracts_bias=True,
        **_gate(activation, tensors, len(found["latent_bias"])),
    )
    return published.fitted(
        described(
            "openai",
            tensors,
            architecture=activation,
            model="openai-community/gpt2",
            hook_point=_hook_point(source, name),
            l0=published.k,
        )
    )


def _gate(activation, tensors, n):
    """Return k and the normalisation of each row, which go together."""
    if activation == "ReLU":
        return {}
    function = text_of(tensors.plain, "activation_state_dict.postact_fn")
    if activation != "TopK" or function not in ("ReLU", None):
        raise ValueError(
            f"{str(tensors.path)!r} has activation={activation!r:.80} with postact_fn="
            f"{function!r:.80}, which is not supported; accepted: 'ReLU', and 'TopK' with 'ReLU'"
        )
    k = check_k(tensors.plain.get("activation_state_dict.k"), n, tensors.path)
    return {"k": k, "row_norm": "layer_norm"}


def _hook_point(source, name):
    layer = re.match(r"\d+", name)
    found = [kind for location, kind in LOCATIONS.items() if location in source.origin]
    return f"{found[0]}.{int(layer[0])}" if layer and found else None
