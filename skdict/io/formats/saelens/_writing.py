"""Write a fitted dictionary as a SAELens directory."""

import hashlib
import json

import numpy as np
from safetensors.numpy import save

from skdict._core import Weights
from skdict._files import parse_json, whole_folder
from skdict.decomposition import PretrainedDictionary, SparseDictionaryAutoencoder
from skdict.io.formats.saelens._names import (
    CONFIG,
    DIGEST,
    RANKS_BY_NORM,
    RESHAPES,
    SUBTRACTS_B_DEC,
    WEIGHTS,
    digest,
)
from skdict.models import to_transformer_lens

# Below version 6, SAELens reads a file as one of its older formats.
WRITTEN_AS = "6.0.0"


def write(dictionary, folder, metadata):
    """Write the directory of the SAELens architecture with the same codes.

    Parameters
    ----------
    dictionary : SparseDictionaryAutoencoder or PretrainedDictionary
        Fitted dictionary. It becomes ``standard`` if codes are plain ReLU, ``topk`` if the k
        largest pre-activations are kept, and ``jumprelu`` if there are thresholds, gains or
        offsets.
    folder : str or path
        Destination folder.
    metadata : dict
        Metadata, of which `model`, `hook_point` and `l0` are written; the format has no entries
        for others. Hook points such as "resid_post.2" are written under their TransformerLens
        names, such as "blocks.2.hook_resid_post", and others unchanged.

    Raises
    ------
    TypeError
        If the estimator is of another class.
    ValueError
        If no SAELens architecture has such codes.
    """
    _check_class(dictionary)
    weights = Weights.of(dictionary)
    architecture, options, tensors = _exported(weights)
    described = _metadata(metadata)
    config = {
        "architecture": architecture,
        "d_in": weights.components.shape[1],
        "d_sae": weights.components.shape[0],
        "dtype": weights.components.dtype.name,
        "device": "cpu",
        SUBTRACTS_B_DEC: True,
        "normalize_activations": "none",
        # SAELens flattens the heads of this hook point only if the file says so.
        RESHAPES: "hook_z" if str(described["hook_name"]).endswith(".hook_z") else "none",
        **options,
        "metadata": described,
    }
    content = save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
    config[DIGEST] = digest(config, hashlib.sha256(content).hexdigest())
    text = json.dumps(config, indent=1)
    parse_json(text, "the metadata")
    with whole_folder(folder, CONFIG, "a SAELens directory") as beside:
        (beside / WEIGHTS).write_bytes(content)
        (beside / CONFIG).write_text(text, encoding="utf-8")


def _check_class(dictionary):
    """Raise an error for dictionaries that no SAELens architecture can hold."""
    if type(dictionary) not in (SparseDictionaryAutoencoder, PretrainedDictionary):
        raise TypeError(
            f"{type(dictionary).__name__} cannot be written as a SAELens directory, only a "
            f"SparseDictionaryAutoencoder or a PretrainedDictionary can; save it with "
            f"format='skdict'"
        )
    if hasattr(dictionary, "row_norm_"):
        raise _no_counterpart("rows that are each normalised")


def _metadata(metadata):
    name = metadata.get("hook_point")
    written = {
        "sae_lens_version": WRITTEN_AS,
        "model_name": metadata.get("model"),
        "hook_name": to_transformer_lens(name) or name if isinstance(name, str) else name,
    }
    return written | ({"l0": metadata["l0"]} if "l0" in metadata else {})


def _exported(weights):
    """Return the architecture, the settings specific to it, and the tensors."""
    tensors = {
        "W_enc": weights.encoder.T,
        "b_enc": weights.encoder_bias,
        "W_dec": weights.components,
        "b_dec": weights.mean,
    }
    if weights.code_gains is not None and (weights.code_gains <= 0).any():
        raise _no_counterpart("code gains that are not positive")
    if weights.k is not None:
        options = {"k": int(weights.k), RANKS_BY_NORM: False}
        return "topk", options, tensors | _gained_decoder(weights)
    gate = weights.thresholds, weights.code_gains, weights.code_offsets
    if any(array is not None for array in gate):
        return "jumprelu", {}, tensors | _folded_gate(*gate, weights)
    return "standard", {}, tensors


def _gained_decoder(weights):
    """Return the tensors that hold the gains of top-k codes.

    SAELens ranks the encoder outputs and does not scale them afterwards, so gains can only go into
    the decoder.
    """
    if weights.signed:
        raise _no_counterpart("codes selected by absolute value (signed_)")
    if weights.code_offsets is not None and weights.code_offsets.any():
        raise _no_counterpart("both a selection by rank (k_) and code offsets")
    if weights.code_gains is None:
        return {}
    return {"W_dec": weights.components * weights.code_gains[:, None]}


def _folded_gate(thresholds, gains, offsets, weights):
    """Return the tensors of a JumpReLU with the same codes.

    For g > 0, p > theta is equivalent to g p + o > g theta + o. If that threshold is not negative,
    the ReLU before it clips nothing. Folding runs in float64 and is rounded once.
    """
    m, dtype = len(weights.components), weights.components.dtype
    thresholds, gains, offsets = (
        np.full(m, default) if array is None else array.astype(np.float64)
        for array, default in ((thresholds, 0.0), (gains, 1.0), (offsets, 0.0))
    )
    folded = {
        "W_enc": weights.encoder.T * gains,
        "b_enc": weights.encoder_bias * gains + offsets,
        "threshold": gains * thresholds + offsets,
    }
    if (folded["threshold"] < 0).any():
        raise _no_counterpart("codes that can be negative")
    return {name: array.astype(dtype) for name, array in folded.items()}


def _no_counterpart(what):
    return ValueError(
        f"a dictionary with {what} has no counterpart in SAELens; save it with format='skdict'"
    )
