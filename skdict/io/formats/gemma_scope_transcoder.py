"""Read the transcoders of Gemma Scope 1, whose files look like those of its dictionaries."""

from skdict.io.formats import gemma_scope
from skdict.io.formats._hook_names import layer_of
from skdict.io.formats._layout import take
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published

WEIGHTS = gemma_scope.WEIGHTS
FILES = f"{WEIGHTS} below a folder named transcoders (Gemma Scope)"
LAYOUT = gemma_scope.LAYOUT | {"W_dec": "no", "b_dec": "o"}


def matches(source):
    """Return True for parameters whose path names transcoders."""
    return WEIGHTS in source and "transcoder" in source.origin


def read(source):
    """Return the transcoder of one layer, which predicts the output of the MLP.

    Parameters
    ----------
    source : Source
        Folder with the parameters.

    Returns
    -------
    PretrainedTranscoder

    Raises
    ------
    ValueError
        If tensors are missing or damaged.
    """
    tensors = source.tensors(WEIGHTS)
    found = take(tensors, LAYOUT)
    published = Published(
        found["W_enc"].T,
        found["b_enc"],
        found["W_dec"],
        found["b_dec"],
        subtracts_bias=False,
        thresholds=found["threshold"],
        is_transcoder=True,
    )
    layer = layer_of(source.origin)
    site = {"hook_point": None, "target_hook_point": None}
    if layer is not None:
        # The input is normalised but not yet multiplied by the weights of the norm.
        site = {
            "hook_point": f"blocks.{layer}.ln2.hook_normalized",
            "target_hook_point": f"mlp_out.{layer}",
        }
    metadata = described(
        "gemma_scope_transcoder",
        tensors,
        architecture="jumprelu",
        model=gemma_scope.model_in(source.origin),
        l0=gemma_scope.l0_in(source.origin),
        **site,
    )
    return published.fitted(metadata)
