"""Read the settings of a SAELens directory, in the form of version 6."""

from skdict.io.formats._layout import positive, text_of
from skdict.io.formats.saelens._names import (
    BATCH_TOPK,
    CONFIG,
    LAYOUTS,
    NORMALIZES,
    OTHER_FORMS,
    RANKS_BY_NORM,
    RESHAPES,
    SCALER,
    SUBTRACTS_B_DEC,
)

# Normalisations, and the `row_norm_` of those that depend on the row.
NORMS = {
    "none": None,
    None: None,
    "expected_average_only_in": None,
    "layer_norm": "layer_norm",
    "constant_norm_rescale": "constant_norm",
}
# Rows of attn_heads are the flattened heads that "hook_z" makes.
RESHAPED = ("none", "hook_z", None)
METADATA = {
    "model_name": (str,),
    "hook_name": (str,),
    "l0": (int, float),
    "num_dead_features": (int,),
}
# Older names of settings.
RENAMED = {"hook_point": "hook_name", "hook_point_head_index": "hook_head_index"}


def read_config(source):
    """Return the checked settings of a directory; those of older versions are converted.

    Parameters
    ----------
    source : Source
        SAELens directory.

    Returns
    -------
    dict
        Settings under the names of SAELens 6.

    Raises
    ------
    ValueError
        If the architecture or a setting is not supported.
    """
    path, given = source.path(CONFIG), source.json(CONFIG)
    config = given if _is_version_6(given) else _converted(given, path)
    _check_architecture(config.get("architecture"), path)
    for name, accepted in ((NORMALIZES, NORMS), (RESHAPES, RESHAPED)):
        if not isinstance(config.get(name), (str, type(None))) or config.get(name) not in accepted:
            told = ", ".join(repr(value) for value in accepted if value is not None)
            raise ValueError(
                f"{str(path)!r} has {name}={config.get(name)!r:.80}, which is not supported; "
                f"accepted: {told}"
            )
    for name in (SUBTRACTS_B_DEC, RANKS_BY_NORM):
        if not isinstance(config.get(name, True), bool):
            raise ValueError(
                f"{str(path)!r} has {name}={config[name]!r:.80}; set it to true or false, as in "
                f"training"
            )
    _check_metadata(config, path)
    return config


def input_scale(source, config):
    """Return the factor on the rows that the weights do not contain, 1 if they do.

    Raises
    ------
    ValueError
        If the settings require a factor and the directory does not state it.
    """
    if config.get(NORMALIZES) != "expected_average_only_in":
        return 1.0
    scaler = source.json(SCALER) if SCALER in source else {}
    if scaler.get("scaling_factor") is None:
        raise ValueError(
            f"{str(source.path(CONFIG))!r} has {NORMALIZES}='expected_average_only_in', but no "
            f"{SCALER} states the factor; fold it into the weights in SAELens with "
            f"fold_activation_norm_scaling_factor and save the dictionary again"
        )
    return positive(scaler["scaling_factor"], "scaling_factor", source.path(SCALER))


def is_transcoder(config):
    """Return True if the settings are those of a transcoder."""
    return config["architecture"].endswith("transcoder")


def _is_version_6(config):
    metadata = config.get("metadata")
    if not isinstance(metadata, dict):
        return False
    version = metadata.get("sae_lens_version") or config.get("sae_lens_version")
    major = str(version).partition(".")[0]
    return major.isdigit() and int(major) >= 6


def _converted(config, path):
    """Return flat settings of SAELens before version 6 in the form of version 6."""
    metadata = config.get("metadata")
    flat = {**config, **(metadata if isinstance(metadata, dict) else {})}
    flat = {RENAMED.get(name, name): value for name, value in flat.items()}
    function = flat.get("activation_fn_str", flat.get("activation_fn", "relu"))
    options = flat.get("activation_fn_kwargs")
    k = options.get("k") if isinstance(options, dict) else None
    architecture = flat.get("architecture", "standard")
    if function == "topk":
        architecture = "topk"
    elif function != "relu":
        raise ValueError(
            f"{str(path)!r} has the activation function {function!r:.80}, which is not supported; "
            f"accepted: 'relu', 'topk'"
        )
    normalizes = flat.get(NORMALIZES)
    if isinstance(normalizes, bool):
        normalizes = "expected_average_only_in" if normalizes else "none"
    reshapes = "hook_z" if "hook_z" in str(flat.get("hook_name")) else "none"
    return {
        **{name: flat.get(name) for name in ("d_in", "d_sae", "d_out")},
        "architecture": architecture,
        "k": k if k is not None else flat.get("k"),
        SUBTRACTS_B_DEC: flat.get(SUBTRACTS_B_DEC, True),
        RANKS_BY_NORM: flat.get(RANKS_BY_NORM, False),
        NORMALIZES: normalizes,
        RESHAPES: flat.get(RESHAPES, reshapes),
        "metadata": {name: flat[name] for name in (*METADATA, "hook_head_index") if name in flat},
    }


def _check_architecture(architecture, path):
    named = architecture if isinstance(architecture, str) else ""
    if named in LAYOUTS:
        return
    reason = OTHER_FORMS.get(named)
    shown = [name for name in LAYOUTS if name not in BATCH_TOPK]
    raise ValueError(
        f"{str(path)!r} has architecture={architecture!r:.80}, which is not supported"
        f"{f': {reason}' if reason else ''}; accepted: {', '.join(map(repr, shown))}"
    )


def _check_metadata(config, path):
    metadata = config.get("metadata")
    if not isinstance(metadata, dict):
        raise ValueError(f"{str(path)!r} has no metadata; get a complete copy of the file")
    for name, kinds in METADATA.items():
        if type(metadata.get(name)) not in (*kinds, type(None)):
            raise ValueError(
                f"{str(path)!r} has {name}={metadata[name]!r:.80} in its metadata; set it to a "
                f"{kinds[-1].__name__} or null"
            )
    if is_transcoder(config) and config.get(NORMALIZES) not in ("none", None):
        raise ValueError(
            f"{str(path)!r} is a transcoder with {NORMALIZES}={config[NORMALIZES]!r}; only 'none' "
            f"is supported for transcoders"
        )


def described_by(config):
    """Return model, hook points, reported values and head under the names of `described`."""
    metadata = config["metadata"]
    known = {
        "model": metadata.get("model_name"),
        "hook_point": metadata.get("hook_name"),
        "l0": metadata.get("l0"),
        "n_dead": metadata.get("num_dead_features"),
        "target_hook_point": text_of(metadata, "hook_name_out"),
    }
    head = metadata.get("hook_head_index")
    return known | ({"head": head} if type(head) is int else {})
