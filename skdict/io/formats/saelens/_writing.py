"""Write a fitted dictionary as a SAELens directory."""

import hashlib
import json

import numpy as np
from safetensors.numpy import save

from skdict._files import parse_json, whole_folder
from skdict.decomposition import is_transcoder
from skdict.io.formats._folded import AUTOENCODERS, TRANSCODERS, folded
from skdict.io.formats.saelens._config import NORMS
from skdict.io.formats.saelens._names import (
    CONFIG,
    DIGEST,
    NORMALIZES,
    RANKS_BY_NORM,
    RESHAPES,
    SUBTRACTS_B_DEC,
    WEIGHTS,
    digest,
)
from skdict.models import to_transformer_lens

# Below version 6, SAELens reads a file as one of its older formats.
WRITTEN_AS = "6.0.0"
# Settings by the normalisation of each row.
NORMALIZES_BY = {row_norm: name for name, row_norm in NORMS.items() if row_norm} | {None: "none"}


def write(dictionary, folder, metadata):
    """Write the directory of the SAELens architecture with the same codes.

    Parameters
    ----------
    dictionary : SparseDictionaryAutoencoder, SparseTranscoder, PretrainedDictionary or \
            PretrainedTranscoder
        Fitted dictionary. It becomes ``standard`` if codes are plain ReLU, ``topk`` or ``abstopk``
        if the k largest pre-activations are kept, and ``jumprelu`` if there are thresholds, gains
        or offsets. A transcoder becomes ``transcoder``, or a variant with a skip connection or
        thresholds.
    folder : str or path
        Destination folder.
    metadata : dict
        Metadata, of which `model`, `hook_point`, `target_hook_point`, `l0` and `n_dead` are
        written; the format has no entries for others. Hook points such as "resid_post.2" are
        written under their TransformerLens names, such as "blocks.2.hook_resid_post", and others
        unchanged.

    Raises
    ------
    TypeError
        If the estimator is of another class.
    ValueError
        If no SAELens architecture has such codes.
    """
    transcodes = is_transcoder(dictionary)
    lacks = ("k",) if transcodes else ()
    form = folded(dictionary, "SAELens", AUTOENCODERS + TRANSCODERS, lacks=lacks)
    architecture, options = _architecture(form, transcodes)
    described = _metadata(metadata)
    config = {
        "architecture": architecture,
        "d_in": form.encoder.shape[1],
        "d_sae": len(form.encoder),
        "dtype": form.encoder.dtype.name,
        "device": "cpu",
        SUBTRACTS_B_DEC: not transcodes,
        NORMALIZES: NORMALIZES_BY[form.row_norm],
        # SAELens flattens the heads of this hook point only if the file says so.
        RESHAPES: "hook_z" if str(described["hook_name"]).endswith(".hook_z") else "none",
        **options,
        "metadata": described,
    }
    tensors = _tensors(form, transcodes)
    content = save({name: np.ascontiguousarray(array) for name, array in tensors.items()})
    config[DIGEST] = digest(config, hashlib.sha256(content).hexdigest())
    text = json.dumps(config, indent=1)
    parse_json(text, "the metadata")
    with whole_folder(folder, CONFIG, "a SAELens directory") as beside:
        (beside / WEIGHTS).write_bytes(content)
        (beside / CONFIG).write_text(text, encoding="utf-8")


def _metadata(metadata):
    written = {
        "sae_lens_version": WRITTEN_AS,
        "model_name": metadata.get("model"),
        "hook_name": _hook_name(metadata.get("hook_point")),
    }
    if "target_hook_point" in metadata:
        written["hook_name_out"] = _hook_name(metadata["target_hook_point"])
    reported = {"l0": "l0", "num_dead_features": "n_dead"}
    return written | {name: metadata[key] for name, key in reported.items() if key in metadata}


def _hook_name(name):
    return to_transformer_lens(name) or name if isinstance(name, str) else name


def _architecture(form, transcodes):
    """Return the architecture and the settings specific to it."""
    if transcodes:
        parts = (form.thresholds is not None, "jumprelu"), (form.skip is not None, "skip")
        names = [name for present, name in parts if present]
        return "_".join([*names, "transcoder"]), {"d_out": form.decoder.shape[1]}
    if form.k is not None:
        return "abstopk" if form.signed else "topk", {"k": form.k, RANKS_BY_NORM: False}
    return "standard" if form.thresholds is None else "jumprelu", {}


def _tensors(form, transcodes):
    tensors = {
        "W_enc": form.encoder.T,
        "b_enc": form.raw_bias if transcodes else form.encoder_bias,
        "W_dec": form.decoder,
        "b_dec": form.decoder_bias,
    }
    if form.thresholds is not None:
        tensors["threshold"] = form.thresholds
    if form.skip is not None:
        tensors["W_skip"] = form.skip.T
    return tensors
