"""Read the torch files that Goodfire publishes."""

import re

from skdict.io.formats._layout import take
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published

FILES = "a torch file with encoder_linear.weight (Goodfire)"
LAYOUT = {
    "encoder_linear.weight": "nd",
    "encoder_linear.bias": "n",
    "decoder_linear.weight": "dn",
    "decoder_linear.bias": "d",
}
NAME = re.compile(r"(?P<model>Llama-[\w.-]+?)-SAE-l(?P<layer>\d+)")


def matches(source):
    """Return True if the torch file of a source has Goodfire's tensors."""
    tensors = source.torch_tensors()
    return tensors is not None and set(LAYOUT) <= set(tensors.arrays)


def read(source):
    """Return the dictionary in a torch file.

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
        If tensors are missing or damaged.
    """
    source.one_of(r"[^/]+\.pth?")
    tensors = source.torch_tensors()
    found = take(tensors, LAYOUT)
    published = Published(
        found["encoder_linear.weight"],
        found["encoder_linear.bias"],
        found["decoder_linear.weight"].T,
        found["decoder_linear.bias"],
        subtracts_bias=False,
    )
    # The name of the file, or of the repository, states the model and the layer.
    match = NAME.search(f"{tensors.path.name} {source.origin}")
    site = {}
    if match:
        site = {
            "model": f"meta-llama/{match['model']}",
            "hook_point": f"resid_post.{match['layer']}",
        }
    return published.fitted(described("goodfire", tensors, architecture="relu", **site))
