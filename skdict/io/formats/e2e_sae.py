"""Read the torch files of e2e_sae, which hold the dictionaries of several hooks."""

import numpy as np

from skdict.io.formats._hook_names import hook_point_of
from skdict.io.formats._layout import take, text_of
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published

FILES = "samples_N.pt with final_config.yaml (e2e_sae)"
CONFIG = "final_config.yaml"
PARTS = {
    "encoder.0.weight": "nd",
    "encoder.0.bias": "n",
    "decoder.weight": "dn",
    "decoder.bias": "d",
}


def matches(source):
    """Return True if the torch file of a source has tensors named after hooks."""
    tensors = source.torch_tensors()
    return tensors is not None and bool(_hooks(tensors))


def read(source):
    """Return the dictionary of one hook.

    Parameters
    ----------
    source : Source
        Folder with one torch file. If it holds several dictionaries, the hook point that the user
        named selects one.

    Returns
    -------
    PretrainedDictionary

    Raises
    ------
    ValueError
        If the hook point is missing or ambiguous, or tensors are damaged.
    """
    source.one_of(r"[^/]+\.pth?")
    tensors = source.torch_tensors()
    hook = _selected(source, tensors)
    found = take(tensors, {f"{hook}.{part}": letters for part, letters in PARTS.items()})
    weight, bias, decoder, decoder_bias = found.values()
    lengths = np.linalg.norm(decoder.astype(np.float64), axis=0)
    # Decoder directions are normalised when they are used; zeros stay zero.
    unit = (decoder / np.where(lengths == 0, 1, lengths)).astype(decoder.dtype).T
    published = Published(weight, bias, unit, decoder_bias, subtracts_bias=False)
    config = source.yaml(CONFIG) if CONFIG in source else {}
    metadata = described(
        "e2e_sae",
        tensors,
        architecture="relu",
        model=text_of(config, "tlens_model_name"),
        hook_point=_named(hook),
    )
    return published.fitted(metadata)


def _hooks(tensors):
    """Return the prefixes of tensors, which are names of hooks with hyphens for dots."""
    suffix = ".encoder.0.weight"
    return [name.removesuffix(suffix) for name in tensors.arrays if name.endswith(suffix)]


def _named(hook):
    """Return the hook point here of a prefix such as "blocks-6-hook_resid_pre"."""
    return hook_point_of(hook.replace("-", "."))


def _selected(source, tensors):
    hooks = _hooks(tensors)
    chosen = [hook for hook in hooks if _named(hook) == hook_point_of(source.hook_point)]
    if len(hooks) == 1 and source.hook_point is None:
        return hooks[0]
    if len(chosen) != 1:
        raise ValueError(
            f"{str(tensors.path)!r} holds dictionaries of {', '.join(map(_named, hooks))}; pass "
            f"one of these as hook_point="
        )
    return chosen[0]
