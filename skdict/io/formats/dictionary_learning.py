"""Read and write directories of dictionary_learning: ``ae.pt``, mostly with ``config.json``."""

import json
import re
import warnings

import numpy as np
import torch

from skdict._files import whole_folder
from skdict.io.formats._folded import AUTOENCODERS, folded
from skdict.io.formats._hook_names import SITES, hook_point_of, site_of
from skdict.io.formats._layout import check_k, positive, scalar, setting, take, text_of
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published, gated
from skdict.io.formats._source import TensorSet

CONFIG, WEIGHTS = "config.json", "ae.pt"
MARKER = WEIGHTS
FILES = f"ae.pt with {CONFIG} (dictionary_learning)"
LINEAR = {"encoder.weight": "nd", "encoder.bias": "n", "decoder.weight": "dn"}
MATRICES = {"W_enc": "dn", "b_enc": "n", "W_dec": "nd", "b_dec": "d"}
# Layout of each class; the sets of names differ, but for the two that keep the k largest.
LAYOUTS = {
    "AutoEncoder": LINEAR | {"bias": "d"},
    "AutoEncoderNew": LINEAR | {"decoder.bias": "d"},
    "GatedAutoEncoder": {
        "encoder.weight": "nd",
        "decoder_bias": "d",
        "r_mag": "n",
        "gate_bias": "n",
        "mag_bias": "n",
        "decoder.weight": "dn",
    },
    "AutoEncoderTopK": LINEAR | {"b_dec": "d"},
    "BatchTopKSAE": LINEAR | {"b_dec": "d"},
    "MatryoshkaBatchTopKSAE": MATRICES,
    "JumpReluAutoEncoder": MATRICES | {"threshold": "n"},
}
SCALARS = {
    "AutoEncoderTopK": {"k", "threshold"},
    "BatchTopKSAE": {"k", "threshold"},
    "MatryoshkaBatchTopKSAE": {"k", "threshold", "group_sizes"},
}
# Trained on consecutive tokens; its tensors are those of the other class.
SAME_AS = {"TemporalMatryoshkaBatchTopKSAE": "MatryoshkaBatchTopKSAE"}
BATCH_TOPK = ("BatchTopKSAE", "MatryoshkaBatchTopKSAE")
BIASES = {
    "AutoEncoder": "bias",
    "AutoEncoderNew": "decoder.bias",
    "GatedAutoEncoder": "decoder_bias",
}
# Classes that are written, and the trainers that make them.
TRAINERS = {
    "AutoEncoder": "StandardTrainer",
    "AutoEncoderTopK": "TopKTrainer",
    "JumpReluAutoEncoder": "JumpReluTrainer",
}
# Threshold of a top-k dictionary that does not use one.
UNSET = -1.0
# Entries of a checkpoint of an interrupted run, whose weights are those of scaled rows.
INTERRUPTED = "ae."


def matches(source):
    """Return True if the torch file of a source has the tensors of one of the classes."""
    tensors = source.torch_tensors()
    return tensors is not None and bool(_classes_of(_weights_in(tensors)))


def read(source):
    """Return the dictionary in a dictionary_learning directory.

    Parameters
    ----------
    source : Source
        Directory with one torch file.

    Returns
    -------
    PretrainedDictionary

    Raises
    ------
    ValueError
        If the class is unknown or does not match the tensors, or files are damaged.
    """
    source.one_of(r"[^/]+\.pth?")
    tensors = _weights_in(source.torch_tensors())
    config = source.json(CONFIG) if CONFIG in source else {}
    path = f"{source.origin}/{CONFIG}"
    trainer = setting(config, "trainer", dict, path, default={})
    name = _class_of(source, tensors, trainer)
    found = take(tensors, LAYOUTS[name])
    published = _published(name, found, tensors)
    site = _site(source, trainer, setting(config, "buffer", dict, path, default={}))
    l0 = scalar(tensors, "k") if "k" in tensors.arrays else None
    return published.fitted(
        described("dictionary_learning", tensors, architecture=name, l0=l0, **site)
    )


def write(dictionary, folder, metadata):
    """Write a dictionary_learning directory with the same codes.

    ReLU codes are written as an ``AutoEncoder``, top-k ones as an ``AutoEncoderTopK`` and those
    with thresholds as a ``JumpReluAutoEncoder``, which does not subtract the decoder bias from
    rows: its encoder bias contains it.

    Parameters
    ----------
    dictionary : SparseDictionaryAutoencoder or PretrainedDictionary
        Fitted dictionary.
    folder : str or path
        Destination folder.
    metadata : dict
        Metadata, of which `model` and `hook_point` are written.

    Raises
    ------
    TypeError
        If the estimator is of another class.
    ValueError
        If dictionary_learning has no such codes.
    """
    form = folded(dictionary, "dictionary_learning", AUTOENCODERS, lacks=("signed", "row_norm"))
    name, tensors = _exported(form)
    site = text_of(metadata, "hook_point")
    match = re.fullmatch(rf"({'|'.join(SITES)})\.(\d+)", site or "")
    trainer = {
        "trainer_class": TRAINERS[name],
        "dict_class": name,
        "activation_dim": form.encoder.shape[1],
        "dict_size": len(form.encoder),
        **({} if form.k is None else {"k": form.k}),
        "layer": int(match[2]) if match else None,
        "lm_name": text_of(metadata, "model"),
        "submodule_name": f"{match[1]}_layer_{match[2]}" if match else site,
    }
    text = json.dumps({"trainer": trainer, "buffer": {"io": "out"}}, indent=4)
    state = {name: torch.from_numpy(np.array(array, order="C")) for name, array in tensors.items()}
    with whole_folder(folder, MARKER, "a dictionary_learning directory") as beside:
        torch.save(state, beside / WEIGHTS)
        (beside / CONFIG).write_text(text, encoding="utf-8")


def _exported(form):
    """Return the name of the class and its tensors."""
    if form.thresholds is not None:
        return "JumpReluAutoEncoder", {
            "W_enc": form.encoder.T,
            "b_enc": form.raw_bias,
            "W_dec": form.decoder,
            "b_dec": form.decoder_bias,
            "threshold": form.thresholds,
        }
    tensors = {
        "encoder.weight": form.encoder,
        "encoder.bias": form.encoder_bias,
        "decoder.weight": form.decoder.T,
    }
    if form.k is None:
        return "AutoEncoder", tensors | {"bias": form.decoder_bias}
    ranked = {"k": np.int32(form.k), "threshold": np.float32(UNSET), "b_dec": form.decoder_bias}
    return "AutoEncoderTopK", tensors | ranked


def _weights_in(tensors):
    """Return the weights, scaled to the rows if they are those of an interrupted run."""
    arrays = tensors.arrays
    inside = {name.removeprefix(INTERRUPTED) for name in arrays if name.startswith(INTERRUPTED)}
    if not inside:
        return tensors
    arrays = {name: arrays[f"{INTERRUPTED}{name}"] for name in inside}
    dtypes = {name.removeprefix(INTERRUPTED): kind for name, kind in tensors.dtypes.items()}
    factor = tensors.plain.get("norm_factor")
    if factor is not None:
        factor = positive(factor, "norm_factor", tensors.path)
        for name, array in arrays.items():
            is_bias = name.endswith("bias") or name.startswith("b_")
            if is_bias or (name == "threshold" and (array >= 0).all()):
                arrays[name] = array * factor
    return TensorSet(tensors.path, arrays, tensors.plain, dtypes)


def _classes_of(tensors):
    """Return the classes with exactly these tensors."""
    names = set(tensors.arrays)
    return [c for c, layout in LAYOUTS.items() if names == set(layout) | SCALARS.get(c, set())]


def _class_of(source, tensors, trainer):
    """Return the name of the class, from the settings or else from the path."""
    possible = _classes_of(tensors)
    stated = text_of(trainer, "dict_class")
    stated = SAME_AS.get(stated, stated)
    if stated is not None:
        if stated not in possible:
            raise ValueError(
                f"{str(tensors.path)!r} has the tensors {', '.join(sorted(tensors.arrays))} but "
                f"its {CONFIG} states dict_class={stated!r:.80}; accepted: {', '.join(LAYOUTS)}"
            )
        return stated
    if len(possible) > 1:
        path = f"{source.origin}/{tensors.path.name}".lower()
        batched = re.search(r"batch_?top_?k", path), "BatchTopKSAE"
        plain = re.search(r"top_?k", path), "AutoEncoderTopK"
        possible = [name for found, name in (batched, plain) if found][:1]
    if len(possible) != 1:
        raise ValueError(
            f"{str(tensors.path)!r} has the tensors {', '.join(sorted(tensors.arrays))}, which do "
            f"not determine its class; pass a folder with the {CONFIG} of the run, or one whose "
            f"path names TopK or BatchTopK"
        )
    return possible[0]


def _published(name, found, tensors):
    if "W_enc" in found:
        encoder, decoder, bias = found["W_enc"].T, found["W_dec"], found["b_dec"]
    else:
        encoder, decoder = found["encoder.weight"], found["decoder.weight"].T
        bias = found[BIASES.get(name, "b_dec")]
    form = {
        "decoder": decoder,
        "decoder_bias": bias,
        "subtracts_bias": name not in ("AutoEncoderNew", "JumpReluAutoEncoder"),
    }
    if name == "GatedAutoEncoder":
        return gated(encoder, found["gate_bias"], found["mag_bias"], found["r_mag"], **form)
    if name == "AutoEncoderTopK":
        form["k"] = check_k(scalar(tensors, "k"), len(decoder), tensors.path)
    elif name in BATCH_TOPK:
        form["thresholds"] = _threshold(tensors)
    elif name == "JumpReluAutoEncoder":
        form["thresholds"] = found["threshold"]
    return Published(encoder, found.get("b_enc", found.get("encoder.bias")), **form)


def _threshold(tensors):
    threshold = float(scalar(tensors, "threshold"))
    if threshold < 0:
        warnings.warn(
            f"{str(tensors.path)!r} has no threshold yet ({threshold}), because training ended "
            f"before its threshold_start_step; codes are all positive pre-activations, as in "
            f"dictionary_learning, and their L0 is far above k",
            UserWarning,
            stacklevel=2,
        )
    return threshold


def _site(source, trainer, buffer):
    """Return the model and the hook point of the rows."""
    site, layer = text_of(trainer, "submodule_name"), trainer.get("layer")
    model = text_of(trainer, "lm_name")
    if buffer.get("io") not in (None, "out"):
        # Rows are the input of a module that the settings name in no fixed way.
        hook_point = site
    elif site is not None:
        hook_point = hook_point_of(site, model=model)
    elif type(layer) is int and layer >= 0:
        hook_point = f"resid_post.{layer}"
    else:
        hook_point = site_of(source.origin)
    return {"model": model, "hook_point": hook_point}
