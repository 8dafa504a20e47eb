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
    form = {}
    if activation == "TopK":
        _check_ranked(tensors)
        k = tensors.plain.get("activation_state_dict.k")
        form = {"k": check_k(k, len(found["latent_bias"]), tensors.path), "row_norm": "layer_norm"}
    elif activation != "ReLU":
        raise ValueError(
            f"{str(tensors.path)!r} has activation={activation!r:.80}, which is not supported; "
            f"accepted: 'ReLU', 'TopK'"
        )
    published = Published(
        found["encoder.weight"],
        found["latent_bias"],
        found["decoder.weight"].T,
        found["pre_bias"],
        subtracts_bias=True,
        **form,
    )
    return published.fitted(
        described(
            "openai",
            tensors,
            architecture=activation,
            model="openai-community/gpt2",
            hook_point=_hook_point(source, name),
            l0=form.get("k"),
        )
    )


def _check_ranked(tensors):
    function = text_of(tensors.plain, "activation_state_dict.postact_fn")
    if function not in ("ReLU", None):
        raise ValueError(
            f"{str(tensors.path)!r} applies {function!r:.80} to the largest pre-activations, which "
            f"is not supported; accepted: 'ReLU'"
        )


def _hook_point(source, name):
    layer = re.match(r"\d+", name)
    found = [kind for location, kind in LOCATIONS.items() if location in source.origin]
    return f"{found[0]}.{int(layer[0])}" if layer and found else None
