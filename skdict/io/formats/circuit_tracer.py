"""Per-layer transcoders of circuit-tracer: ``layer_9.safetensors`` with ``config.yaml``."""

import re
from pathlib import Path

import numpy as np
import yaml
from safetensors.numpy import save

from skdict._files import check_replaceable, locked, replace_file
from skdict.io.formats._folded import TRANSCODERS, folded, no_counterpart
from skdict.io.formats._layout import check_k, scalar, take, text_of
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published
from skdict.io.formats._yaml import read_yaml
from skdict.models import to_transformer_lens

CONFIG, PATTERN = "config.yaml", r"layer_(\d+)\.safetensors"
FILES = f"layer_0.safetensors, layer_1.safetensors, ..., mostly with {CONFIG} (circuit-tracer)"
MARKER = CONFIG
THRESHOLD = "activation_function.threshold"
LAYOUT = {"W_enc": "nd", "b_enc": "n", "W_dec": "no", "b_dec": "o", THRESHOLD: "n", "W_skip": "od"}
NAMES = ("hook_point", "target_hook_point")
# Hooks of sets without a configuration.
HOOKS = {"feature_input_hook": "mlp.hook_in", "feature_output_hook": "hook_mlp_out"}


def matches(source):
    """Return True if a source has the transcoders of single layers."""
    return bool(source.matching(PATTERN))


def read(source):
    """Return the transcoder of one layer.

    With TopK, circuit-tracer also keeps negative pre-activations where fewer than k are positive;
    here codes are never negative. The first token of a text is not treated differently, whereas
    circuit-tracer sets its codes to zero.

    Parameters
    ----------
    source : Source
        Folder with the file of one layer.

    Returns
    -------
    PretrainedTranscoder

    Raises
    ------
    ValueError
        If there are several layers, the set is not one of single layers, or files are damaged.
    """
    name = source.one_of(PATTERN)
    config = source.yaml(CONFIG) if CONFIG in source else {}
    kind = config.get("model_kind", "transcoder_set")
    if kind != "transcoder_set":
        raise ValueError(
            f"{source.origin!r} has model_kind={kind!r:.80}, which is not supported: the features "
            f"of a cross-layer transcoder write to several layers; accepted: 'transcoder_set'"
        )
    tensors = source.tensors(name)
    found = take(tensors, LAYOUT, optional=(THRESHOLD, "W_skip"))
    published = Published(
        found["W_enc"],
        found["b_enc"],
        found["W_dec"],
        found["b_dec"],
        subtracts_bias=False,
        is_transcoder=True,
        skip=found["W_skip"].T if "W_skip" in found else None,
        **_gate(source, config, tensors, found),
    )
    architecture = "topk" if published.k else "jumprelu" if THRESHOLD in found else "relu"
    return published.fitted(
        described(
            "circuit_tracer",
            tensors,
            architecture=architecture,
            l0=published.k,
            **_site(config, name),
        )
    )


def write(dictionary, folder, metadata):
    """Write the file of one layer, and the configuration of the set.

    A folder with transcoders of other layers gets one more; circuit-tracer requires all layers from
    0 on, with the same number of features.

    Parameters
    ----------
    dictionary : SparseTranscoder or PretrainedTranscoder
        Fitted transcoder with codes of a ReLU or with thresholds, whose targets have the width of
        its rows.
    folder : str or path
        Destination folder.
    metadata : dict
        Metadata. `hook_point` and `target_hook_point`, such as "mlp_in.9" and "mlp_out.9", name the
        layer; `model` is written, too.

    Raises
    ------
    TypeError
        If the estimator is of another class.
    ValueError
        If circuit-tracer has no such codes, hook points do not name one layer, or the folder holds
        transcoders of another model or of other hook points.
    FileExistsError
        If the folder holds something else.
    """
    form = folded(dictionary, "circuit-tracer", TRANSCODERS, lacks=("k", "row_norm"))
    if form.decoder.shape[1] != form.encoder.shape[1]:
        raise no_counterpart("targets of another width than the rows", "circuit-tracer")
    layer, hooks = _hooks(metadata)
    config = {"model_name": text_of(metadata, "model"), "model_kind": "transcoder_set", **hooks}
    content = save({name: np.ascontiguousarray(array) for name, array in _tensors(form).items()})
    folder = Path(folder).resolve()
    with locked(folder):
        check_replaceable(folder, MARKER, "a set of transcoders of circuit-tracer")
        _check_set(folder / CONFIG, config)
        text = yaml.safe_dump(config | {"scan": None}, sort_keys=False)
        replace_file(folder / CONFIG, text.encode())
        replace_file(folder / f"layer_{layer}.safetensors", content)


def _hooks(metadata):
    """Return the layer, and the hooks of every layer under the names of circuit-tracer."""
    found = []
    for name in NAMES:
        given = text_of(metadata, name) or ""
        match = re.fullmatch(r"blocks\.(\d+)\.(.+)", to_transformer_lens(given) or given)
        found.append(match and match.groups())
    if None in found or found[0][0] != found[1][0]:
        told = ", ".join(f"{name}={metadata.get(name)!r:.80}" for name in NAMES)
        raise ValueError(
            f"metadata has {told}, which do not name one layer; pass metadata with both, such as "
            f"'mlp_in.9' and 'mlp_out.9'"
        )
    return int(found[0][0]), dict(zip(HOOKS, (suffix for _, suffix in found), strict=True))


def _check_set(path, config):
    """Raise ValueError if a folder holds transcoders of another set."""
    there = read_yaml(path) if path.exists() else config
    for name, value in config.items():
        if there.get(name) != value:
            raise ValueError(
                f"{str(path)!r} has {name}={there.get(name)!r:.80}, but the transcoder has "
                f"{value!r:.80}; save it to another folder"
            )


def _tensors(form):
    tensors = {
        "W_enc": form.encoder,
        "b_enc": form.raw_bias,
        "W_dec": form.decoder,
        "b_dec": form.decoder_bias,
    }
    others = {THRESHOLD: form.thresholds, "W_skip": None if form.skip is None else form.skip.T}
    return tensors | {name: array for name, array in others.items() if array is not None}


def _site(config, name):
    """Return the model and the hook points."""
    layer = int(re.fullmatch(PATTERN, name)[1])
    hooks = [text_of(config, key) or hook for key, hook in HOOKS.items()]
    return {
        "model": text_of(config, "model_name"),
        "hook_point": f"blocks.{layer}.{hooks[0]}",
        "target_hook_point": f"blocks.{layer}.{hooks[1]}",
    }


def _gate(source, config, tensors, found):
    """Return the thresholds or k of the activation."""
    activation = config.get("activation")
    if "k" in tensors.arrays or activation == "topk":
        k = scalar(tensors, "k") if "k" in tensors.arrays else config.get("k")
        return {"k": check_k(k, len(found["b_enc"]), tensors.path)}
    if activation not in (None, "relu", "jumprelu"):
        raise ValueError(
            f"{source.origin!r} has activation={activation!r:.80}, which is not supported; "
            f"accepted: 'relu', 'topk'"
        )
    return {"thresholds": found[THRESHOLD]} if THRESHOLD in found else {}
