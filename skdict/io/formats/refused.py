"""Recognise published files that are not dictionaries of single rows, and say what they are."""

from collections.abc import Callable
from typing import NamedTuple

FILES = None


class Other(NamedTuple):
    """Kind of files that cannot be read.

    Parameters
    ----------
    is_here : callable
        Function from a `Source` to True if it has such files.
    reason : str
        Description of the files, and what to pass instead.
    """

    is_here: Callable
    reason: str


OTHERS = (
    Other(
        lambda source: bool(source.matching(r"W_(enc|dec)_\d+\.safetensors")),
        "holds a cross-layer transcoder of circuit-tracer, whose features write to several layers; "
        "pass a set of single-layer transcoders, with files such as layer_9.safetensors",
    ),
    Other(
        lambda source: bool(source.matching(r"params_layer_\d+\.safetensors")),
        "holds a cross-layer transcoder or crosscoder of Gemma Scope 2, whose features write to "
        "several layers; pass a folder of resid_post, attn_out, mlp_out or transcoder",
    ),
    Other(
        lambda source: "latest_ckpt.safetensors" in source and "conf.yaml" in source,
        "holds a temporal dictionary, whose codes depend on other tokens of the sequence; pass a "
        "dictionary that encodes each row by itself",
    ),
    Other(
        lambda source: "model.safetensors" in source and "dict_class" in _config(source),
        "holds a dictionary of crosscoder_learning of a class that is not supported; pass a "
        "CrossCoder or a BatchTopKCrossCoder",
    ),
    Other(
        lambda source: "params.npz" in source,
        "holds parameters of Gemma Scope that can be those of a dictionary or of a transcoder; "
        "keep the name of the repository in the path, such as gemma-scope-2b-pt-res, or pass "
        "format='gemma_scope' or format='gemma_scope_transcoder'",
    ),
    Other(
        lambda source: bool(source.matching(r"(sae_weights|checkpoints/\w+)\.dcp")),
        "holds a distributed checkpoint (.dcp); convert it to sae_weights.safetensors with "
        "Llamascopium",
    ),
    Other(
        lambda source: bool(
            source.matching(r"(trainer|trainer_state|optimizer|scheduler|state|optimizer_\d+)\.pt")
        ),
        "holds the state of a training run; pass the folder of the finished dictionary",
    ),
    Other(
        lambda source: "transcoders" in _set(source),
        "lists its transcoders in other repositories; pass one of those that its config.yaml names",
    ),
)


def matches(source):
    """Return True if a source has files of a kind that cannot be read."""
    return any(other.is_here(source) for other in OTHERS)


def read(source):
    """Raise ValueError with what the files are."""
    other = next(other for other in OTHERS if other.is_here(source))
    raise ValueError(f"{source.origin!r} {other.reason}")


def _config(source):
    return source.json("config.json") if "config.json" in source else {}


def _set(source):
    return source.yaml("config.yaml") if "config.yaml" in source else {}
