"""Read per-layer transcoders of circuit-tracer: ``layer_9.safetensors`` with ``config.yaml``."""

import re

from skdict.io.formats._layout import check_k, scalar, take, text_of
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published

CONFIG, PATTERN = "config.yaml", r"layer_(\d+)\.safetensors"
FILES = f"layer_0.safetensors, layer_1.safetensors, ..., mostly with {CONFIG} (circuit-tracer)"
THRESHOLD = "activation_function.threshold"
LAYOUT = {"W_enc": "nd", "b_enc": "n", "W_dec": "no", "b_dec": "o", THRESHOLD: "n", "W_skip": "od"}
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
