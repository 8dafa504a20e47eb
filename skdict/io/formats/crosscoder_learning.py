"""Read crosscoders of crosscoder_learning: ``config.json`` with ``model.safetensors``.

In the units of the files, with rows of each block l centred at m and multiplied by g where the
files say so,

.. math::
    f = relu(b + sum_l g_l (x_l - m_l) W_l), y_l = (f D_l + b_l) / g_l + m_l,

where codes of a ``BatchTopKCrossCoder`` are kept if f times a norm of the decoder directions is
above a threshold. On blocks of columns side by side, this is a dictionary with a bias.
"""

import warnings

import numpy as np

from skdict.io.formats._layout import ADVICE, scalar, setting, take, text_of
from skdict.io.formats._metadata import described
from skdict.io.formats._published import Published
from skdict.io.formats._scaling import product, row_norms, scaled

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FILES = f"{CONFIG} with {WEIGHTS} (crosscoder_learning)"
LAYOUT = {
    "encoder.weight": "ldn",
    "encoder.bias": "n",
    "decoder.weight": "lnd",
    "decoder.bias": "ld",
}
STATISTICS = {
    "activation_mean": "ld",
    "activation_std": "ld",
    "activation_global_scale": "l",
}
# Settings of a crosscoder by the letter of their dimension.
SIZES = {"d": "activation_dim", "n": "dict_size", "l": "num_layers"}
PLAIN, BATCH_TOPK = "CrossCoder", "BatchTopKCrossCoder"
# Norms of decoder directions that codes are multiplied by before selection, by number in the files.
NORMS = {1: "CROSSCODER", 2: "SAE", 3: "MIXED", 4: "NONE", 5: "DECOUPLED"}
# Weights of two norms in their mixture, with the library's defaults.
MIXED = {"code_normalization_alpha_sae": 1.0, "code_normalization_alpha_cc": 0.1}
# Added to the scales that reconstructions are divided by.
EPS = 1e-8
# Threshold of features that write nothing, which the library never keeps.
NEVER = float(np.finfo(np.float32).max)


def matches(source):
    """Return True if a source has the files of a crosscoder."""
    if CONFIG not in source or WEIGHTS not in source:
        return False
    config = source.json(CONFIG)
    # Older files do not state their class.
    is_unnamed = "dict_class" not in config and all(name in config for name in SIZES.values())
    return is_unnamed or config.get("dict_class") in (PLAIN, BATCH_TOPK)


def read(source):
    """Return the crosscoder in a directory, as a dictionary with a block for each layer or model.

    Parameters
    ----------
    source : Source
        Directory with the configuration and the weights.

    Returns
    -------
    PretrainedDictionary
        Dictionary with `blocks_`.

    Raises
    ------
    ValueError
        If codes differ between blocks or blocks are not all encoded, a setting is not supported,
        or files are damaged.
    """
    path, config = source.path(CONFIG), source.json(CONFIG)
    tensors = source.tensors(WEIGHTS)
    sizes = {letter: setting(config, name, int, path) for letter, name in SIZES.items()}
    found = take(tensors, LAYOUT, sizes=sizes, required_by=f"its {CONFIG}")
    _check_layers(config, sizes["l"], path)
    kind = _class_of(config, tensors, path)
    gate = {"thresholds": _thresholds(found, tensors, config, path)} if kind == BATCH_TOPK else {}
    published = Published(**_side_by_side(found, *_scaling(tensors, sizes)), **gate)
    l0 = scalar(tensors, "k") if kind == BATCH_TOPK else None
    return published.fitted(described("crosscoder_learning", tensors, architecture=kind, l0=l0))


def _check_layers(config, n_layers, path):
    """Raise ValueError if the encoder reads only some of the blocks, or others are written."""
    read, written = config.get("encoder_layers"), config.get("num_decoder_layers")
    if read not in (None, list(range(n_layers))) or written not in (None, n_layers):
        raise ValueError(
            f"{str(path)!r} has encoder_layers={read!r:.80} and num_decoder_layers={written!r:.80}"
            f", but only crosscoders that read and write all of their {n_layers} layers are "
            f"supported"
        )


def _class_of(config, tensors, path):
    """Return the name of the class, which must agree with the tensors."""
    has_threshold = "threshold" in tensors.arrays
    kind = config.get("dict_class", BATCH_TOPK if has_threshold else PLAIN)
    if has_threshold != (kind == BATCH_TOPK):
        raise ValueError(
            f"{str(path)!r} states dict_class={kind!r} but {str(tensors.path)!r} has "
            f"{'a' if has_threshold else 'no'} threshold; {ADVICE}"
        )
    return kind


def _scaling(tensors, sizes):
    """Return centre (l, d) of the rows of each block, their factor and divisor (l,), in float64."""
    statistics = [tensors.arrays.get(name) for name in ("activation_mean", "activation_std")]
    # NaN throughout marks statistics that are not used.
    if all(array is None or np.isnan(array).all() for array in statistics):
        return np.zeros((sizes["l"], sizes["d"])), np.ones(sizes["l"]), np.ones(sizes["l"])
    found = take(tensors, STATISTICS, sizes=sizes, required_by=f"its {CONFIG}")
    scale = found["activation_global_scale"].astype(np.float64)
    if (scale <= 0).any():
        raise ValueError(
            f"{str(tensors.path)!r} has activation_global_scale={scale.tolist()!r:.80}, but "
            f"positive numbers are expected; {ADVICE}"
        )
    return found["activation_mean"].astype(np.float64), scale, scale + EPS


def _side_by_side(found, center, scale, divisor):
    """Return the crosscoder on rows with blocks side by side, in their units."""
    encoder, decoder = found["encoder.weight"], found["decoder.weight"]
    n_layers, width, n = encoder.shape
    encoder = scaled(encoder.reshape(-1, n), np.repeat(scale, width)).T
    decoder = scaled(decoder.reshape(-1, width), np.repeat(1 / divisor, n))
    bias = found["decoder.bias"] / divisor[:, None] + center
    return {
        "encoder": encoder,
        "encoder_bias": found["encoder.bias"] - product(encoder, center.ravel()),
        "decoder": decoder.reshape(n_layers, n, width).transpose(1, 0, 2).reshape(n, -1),
        "decoder_bias": bias.ravel(),
        "subtracts_bias": False,
        "blocks": (width,) * n_layers,
        "scale": 1 / scale if n_layers > 1 else float(1 / scale[0]),
    }


def _thresholds(found, tensors, config, path):
    """Return the threshold of each feature's code, before it is multiplied by its norm."""
    norms = _norms(found["decoder.weight"], _kind_of_norm(tensors, config, path), config, path)
    threshold = float(scalar(tensors, "threshold"))
    if threshold < 0:
        warnings.warn(
            f"{str(tensors.path)!r} has no threshold yet ({threshold}), because training ended "
            f"before it was measured; codes are all positive pre-activations, as in "
            f"crosscoder_learning, and their L0 is far above k",
            UserWarning,
            stacklevel=2,
        )
        threshold = 0.0
    cuts = np.full(len(norms), NEVER)
    np.divide(threshold, norms, out=cuts, where=norms > 0)
    return np.minimum(cuts, NEVER)


def _kind_of_norm(tensors, config, path):
    """Return the name of the norm that codes are multiplied by before selection."""
    kind = (text_of(config, "code_normalization") or "").upper()
    if "code_normalization_id" in tensors.arrays:
        number = scalar(tensors, "code_normalization_id")
        kind = NORMS.get(number, number)
    elif not kind:
        kind = "CROSSCODER"
        warnings.warn(
            f"{str(tensors.path)!r} does not state by which norm its codes were selected; it is "
            f"taken to be the sum over blocks, as in crosscoder_learning; compare the L0 of its "
            f"codes with k",
            UserWarning,
            stacklevel=2,
        )
    if kind == "DECOUPLED":
        raise ValueError(
            f"{str(path)!r} selects other codes for each block (DECOUPLED), which have no form here"
        )
    if kind not in NORMS.values():
        raise ValueError(
            f"{str(tensors.path)!r} has code_normalization={kind!r:.80}, which is not supported; "
            f"accepted: 'CROSSCODER', 'SAE', 'MIXED', 'NONE'"
        )
    return kind


def _norms(decoder, kind, config, path):
    """Return a norm of the decoder directions (l, n, d) of each feature, (n,)."""
    if kind == "NONE":
        return np.ones(decoder.shape[1])
    norms = np.stack([row_norms(block) for block in decoder])
    summed, whole = norms.sum(axis=0), np.sqrt(np.square(norms).sum(axis=0))
    if kind == "MIXED":
        shares = [
            setting(config, name, (int, float), path, default=usual)
            for name, usual in MIXED.items()
        ]
        return shares[0] * whole + shares[1] * summed
    return summed if kind == "CROSSCODER" else whole
