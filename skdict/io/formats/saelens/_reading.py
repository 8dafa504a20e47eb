"""Read a SAELens directory."""

import numpy as np

from skdict.io.formats._layout import check_k, checked_floats, scalar, take
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published, gated
from skdict.io.formats.saelens._config import (
    NORMS,
    described_by,
    input_scale,
    is_transcoder,
    read_config,
)
from skdict.io.formats.saelens._names import (
    BATCH_TOPK,
    CONFIG,
    DIGEST,
    LAYOUTS,
    NORMALIZES,
    RANKED,
    RANKS_BY_NORM,
    SUBTRACTS_B_DEC,
    WEIGHTS,
    digest,
)

OF_OTHERS = ("sae.safetensors",)


def matches(source):
    """Return True if a source is a SAELens directory."""
    return CONFIG in source and not any(name in source for name in OF_OTHERS)


def read(source):
    """Return the dictionary in a SAELens directory.

    Parameters
    ----------
    source : Source
        SAELens directory.

    Returns
    -------
    PretrainedDictionary or PretrainedTranscoder
        Dictionary whose codes are SAELens codes times the norms of the decoder rows. With
        `rescale_acts_by_decoder_norm`, SAELens codes already have these units.

    Raises
    ------
    ValueError
        If an architecture or normalisation is not supported, or files are damaged.
    """
    config = read_config(source)
    tensors = _read_weights(source, config)
    sizes = {letter: config.get(name) for letter, name in zip("dn", ("d_in", "d_sae"), strict=True)}
    sizes |= {"o": config["d_out"]} if config.get("d_out") is not None else {}
    layout = LAYOUTS[config["architecture"]]
    found = take(tensors, layout, sizes=sizes, required_by=f"its {CONFIG}")
    published = _published(source, config, tensors, found)
    metadata = described_by(config)
    architecture = config["architecture"]
    return published.fitted(described("saelens", tensors, architecture=architecture, **metadata))


def _read_weights(source, config):
    """Return the tensors; the logarithms of thresholds in older checkpoints become thresholds."""
    tensors = source.tensors(WEIGHTS)
    if DIGEST in config and config[DIGEST] != digest(config, tensors.sha256):
        raise ValueError(
            f"{str(tensors.path.parent)!r} was changed after skdict wrote it; restore the original "
            f"or, if the change is intended, remove {DIGEST!r} from {CONFIG}"
        )
    arrays = tensors.arrays
    logs = arrays.get("log_threshold")
    if "threshold" not in arrays and logs is not None and logs.dtype.kind == "f":
        with np.errstate(over="ignore"):
            arrays["threshold"] = np.exp(logs.astype(np.float64))
    return tensors


def _published(source, config, tensors, found):
    scale, decoder = input_scale(source, config), found["W_dec"]
    form = {
        "decoder": _finetuned(tensors, decoder),
        "decoder_bias": found["b_dec"],
        "subtracts_bias": config.get(SUBTRACTS_B_DEC, True) and not is_transcoder(config),
        "input_scale": scale,
        "output_scale": scale,
        "row_norm": NORMS[config.get(NORMALIZES)],
        "is_transcoder": is_transcoder(config),
        "skip": found["W_skip"].T if "W_skip" in found else None,
    }
    encoder, architecture = found["W_enc"].T, config["architecture"]
    if architecture == "gated":
        return gated(encoder, found["b_gate"], found["b_mag"], found["r_mag"], **form)
    if architecture in RANKED:
        k = check_k(config.get("k"), len(decoder), source.path(CONFIG))
        form |= {"k": k, "signed": architecture == "abstopk"}
    if architecture in RANKED + BATCH_TOPK:
        form["ranks_by_norm"] = config.get(RANKS_BY_NORM, architecture in BATCH_TOPK)
    if architecture in BATCH_TOPK:
        form["thresholds"] = scalar(tensors, "topk_threshold")
    if "threshold" in found:
        form["thresholds"] = found["threshold"]
    return Published(encoder, found["b_enc"], **form)


def _finetuned(tensors, decoder):
    """Return the decoder times the factors of a finetuning, which only older versions have."""
    factors = tensors.arrays.get("scaling_factor")
    if factors is None or (factors == 1).all():
        return decoder
    factors = checked_floats(factors, "scaling_factor", tensors.path)
    if factors.shape != decoder.shape[:1]:
        raise ValueError(
            f"{str(tensors.path)!r} has scaling_factor of shape {factors.shape} but "
            f"{decoder.shape[:1]} is required; get a complete copy of the file"
        )
    return decoder * factors[:, None]
