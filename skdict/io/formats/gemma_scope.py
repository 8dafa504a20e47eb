"""Read Gemma Scope 1: ``params.npz`` below a repository such as google/gemma-scope-2b-pt-res."""

import re

import numpy as np

from skdict.io.formats._hook_names import layer_of
from skdict.io.formats._layout import take
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published

WEIGHTS = "params.npz"
FILES = f"{WEIGHTS} (Gemma Scope)"
LAYOUT = {"W_enc": "dn", "b_enc": "n", "W_dec": "nd", "b_dec": "d", "threshold": "n"}
REPOSITORY = re.compile(r"gemma-scope-(?P<size>\d+b)-(?P<tuning>pt|it)-(?P<site>res|mlp|att)")
KINDS = {"res": "resid_post", "mlp": "mlp_out", "att": "attn_heads"}


def matches(source):
    """Return True for parameters whose path is that of a repository of dictionaries."""
    return WEIGHTS in source and REPOSITORY.search(source.origin) is not None


def read(source):
    """Return the dictionary of one layer and width.

    Parameters
    ----------
    source : Source
        Folder with the parameters.

    Returns
    -------
    PretrainedDictionary

    Raises
    ------
    ValueError
        If tensors are missing or damaged.
    """
    tensors = source.tensors(WEIGHTS)
    found = take(tensors, LAYOUT)
    factor, decoder = 1.0, found["W_dec"]
    if "embedding" in source.origin:
        # These read and write embeddings in units of the square root of the width.
        factor = np.sqrt(len(found["b_dec"]))
        decoder = decoder * decoder.dtype.type(factor)
    published = Published(
        found["W_enc"].T,
        found["b_enc"],
        decoder,
        found["b_dec"],
        subtracts_bias=False,
        thresholds=found["threshold"],
        input_scale=1 / factor,
    )
    return published.fitted(
        described("gemma_scope", tensors, architecture="jumprelu", **site_in(source.origin))
    )


def site_in(origin):
    """Return the model, the hook point and the reported L0 that a path states."""
    match, layer = REPOSITORY.search(origin), layer_of(origin)
    kind = KINDS.get(match["site"]) if match else None
    hook_point = f"{kind}.{layer}" if kind and layer is not None else None
    if "embedding" in origin:
        hook_point = "hook_embed"
    return {"model": model_in(origin), "hook_point": hook_point, "l0": l0_in(origin)}


def model_in(origin):
    """Return the model that the name of a repository states, or None."""
    match = re.search(r"gemma-scope-(\d+b)-(pt|it)", origin)
    return f"google/gemma-2-{match[1]}{'-it' if match[2] == 'it' else ''}" if match else None


def l0_in(origin):
    """Return the mean L0 that a path such as ".../average_l0_73" states, or None."""
    match = re.search(r"average_l0_(\d+)", origin)
    return int(match[1]) if match else None
