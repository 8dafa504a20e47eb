"""Check what a saved dictionary contains: known names, types and shapes, and finite numbers."""

from dataclasses import MISSING, fields

import numpy as np

from skdict._core import Weights
from skdict._files import SHA256, read_sealed, read_tensors
from skdict.decomposition import (
    IdentityDictionary,
    PretrainedDictionary,
    PretrainedTranscoder,
    RandomDictionary,
    SparseDictionaryAutoencoder,
    SparseTranscoder,
)

MANIFEST = "dictionary.json"
TENSORS = "dictionary.safetensors"
FILES = f"{MANIFEST} with {TENSORS} (skdict)"
FORMAT, VERSION = "skdict.dictionary", 2
TRAINED = (
    SparseDictionaryAutoencoder,
    SparseTranscoder,
    PretrainedDictionary,
    PretrainedTranscoder,
)
TRANSCODERS = {SparseTranscoder.__name__, PretrainedTranscoder.__name__}
CLASSES = {c.__name__: c for c in (*TRAINED, RandomDictionary, IdentityDictionary)}
NAMES = {
    "class": str,
    "params": dict,
    "fitted": dict,
    "metadata": dict,
    "sha256": (str, dict),
    "versions": dict,
}
NUMBER, COUNT = (int, float), (int,)
# Types of fitted attributes that are not arrays.
PLAIN = {
    "n_features_in_": COUNT,
    "feature_names_in_": (list,),
    "scale_": NUMBER,
    "target_scale_": NUMBER,
    "gain_": NUMBER,
    "alpha_": NUMBER,
    "k_": COUNT,
    "signed_": (bool,),
    "history_": (list,),
    "n_iter_": COUNT,
    "n_steps_": COUNT,
    "block_": COUNT,
    "outlier_cutoff_": NUMBER,
    "target_outlier_cutoff_": NUMBER,
    "n_outlier_rows_": COUNT,
    "learning_rate_": NUMBER,
    "tied_weights_": (bool,),
    "bias_init_": (str,),
    "dead_features_": (str,),
    "row_norm_": (str,),
    "_error_unit": NUMBER,
    "_error_unit_inliers": NUMBER,
}
WORDS = {
    "bias_init_": ("calibrated", "zeros"),
    "dead_features_": ("ignore", "resample", "auxk"),
    "row_norm_": ("layer_norm", "constant_norm"),
}
# Infinite if no row is an outlier, NaN if no row varies.
MAY_BE_INFINITE = {
    "outlier_cutoff_",
    "target_outlier_cutoff_",
    "_error_unit",
    "_error_unit_inliers",
}
# Numbers that are arrays with one value for each of several blocks of columns.
OF_BLOCKS = {"scale_", "outlier_cutoff_"}
# Shapes in terms of the number of features m, the width d of rows, the width t of what the
# dictionary reconstructs, which is d but for transcoders, and the number b of blocks of columns.
SHAPES = {
    "components_": "mt",
    "encoder_": "md",
    "encoder_bias_": "m",
    "mean_": "d",
    "target_mean_": "t",
    "skip_": "dt",
    "thresholds_": "m",
    "code_gains_": "m",
    "code_offsets_": "m",
    "bandwidths_": "m",
    "firing_counts_": "m",
    "blocks_": "b",
    "scale_": "b",
    "outlier_cutoff_": "b",
}
COUNTS = {"firing_counts_", "blocks_"}
# Attributes of transcoders, which other dictionaries must not have.
OF_TARGETS = {"target_mean_", "target_scale_", "target_outlier_cutoff_"}
BASELINE_ARRAYS = {"RandomDictionary": {"components_", "mean_"}}


def read_manifest(folder):
    """Return the manifest of a saved dictionary.

    Raises
    ------
    ValueError
        If the manifest is not JSON, was changed after it was written, or has missing, unknown or
        invalid entries.
    """
    path = folder / MANIFEST
    manifest = read_sealed(path, FORMAT, VERSION, finite=False)
    for name in sorted(set(manifest) ^ {"format", "version", *NAMES}):
        raise ValueError(
            f"{str(path)!r} has a missing or unknown entry {name!r}; save the dictionary again"
        )
    for name, kind in NAMES.items():
        if not isinstance(manifest[name], kind):
            raise ValueError(
                f"{str(path)!r} has {name}={manifest[name]!r:.80} but a {_told(kind)} is "
                f"expected; save the dictionary again"
            )
    hashes = manifest["sha256"]
    listed = list(hashes.values()) if isinstance(hashes, dict) else [hashes]
    are_hashes = listed and all(isinstance(h, str) and SHA256.fullmatch(h) for h in listed)
    if manifest["class"] not in CLASSES or not are_hashes:
        raise ValueError(
            f"{str(path)!r} has class {manifest['class']!r:.80} or no valid SHA-256; pass a folder "
            f"with one of {', '.join(CLASSES)} and the SHA-256 of its tensors"
        )
    _check_params(manifest, path)
    return manifest


def _told(kind):
    return " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))


def _check_params(manifest, path):
    """Raise ValueError for parameters unknown to the class and for flags that are not booleans."""
    defaults = CLASSES[manifest["class"]]().get_params()
    for name, value in manifest["params"].items():
        is_flag = isinstance(defaults.get(name), bool)
        is_flag |= name == "tied_weights" and value != "auto"
        if name not in defaults or (is_flag and not isinstance(value, bool)):
            raise ValueError(
                f"{str(path)!r} has the parameter {name}={value!r:.80}, which "
                f"{manifest['class']} does not accept; save the dictionary again"
            )


def read_arrays(folder, sha256, name=TENSORS):
    """Return the arrays in a file of a dictionary, checked against the hash in its manifest."""
    path = folder / name
    try:
        file = read_tensors(path)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{str(path)!r} is truncated, changed or missing ({error}); save the dictionary again"
        ) from error
    if file.sha256 != sha256:
        raise ValueError(
            f"{str(path)!r} does not match the hash in its manifest: it is truncated, changed or "
            f"missing; save the dictionary again"
        )
    return file.arrays


def check_state(name, plain, arrays, told):
    """Raise ValueError for fitted attributes that a dictionary of a class cannot have.

    Parameters
    ----------
    name : str
        Name of the class.
    plain : dict
        Fitted attributes that are not arrays.
    arrays : dict of str to ndarray
        Fitted attributes that are arrays.
    told : str
        Owner of the attributes, for the message.

    Raises
    ------
    ValueError
        If a name is unknown or missing, a type or shape is wrong, or a number is not finite.
    """
    for attribute, value in plain.items():
        _check_plain(attribute, value, told)
    _check_names(name, set(arrays) | set(plain), told)
    components = arrays.get("components_")
    if components is None or components.ndim != 2:
        raise ValueError(f"{told} has components_ that are not a matrix; {_ADVICE}")
    blocks = arrays.get("blocks_", np.zeros(0, np.int64))
    sizes = (*components.shape, plain["n_features_in_"], len(blocks) if blocks.ndim else 0)
    sizes = dict(zip("mtdb", sizes, strict=True))
    if sizes["d"] != sizes["t"] and name not in TRANSCODERS:
        raise ValueError(
            f"{told} has n_features_in_={sizes['d']} but components_ of width {sizes['t']}; "
            f"{_ADVICE}"
        )
    _check_blocks(plain, arrays, sizes, told)
    for attribute, array in arrays.items():
        # A custom activation learns one number per feature.
        shape = tuple(sizes[letter] for letter in SHAPES.get(attribute, "m"))
        _check_array(attribute, array, shape, told)


def _check_blocks(plain, arrays, sizes, told):
    """Raise ValueError for blocks that do not fit the rows, or without a scale of each."""
    blocks, several = arrays.get("blocks_"), sizes["b"] > 1
    if blocks is not None and (blocks.min(initial=1) < 1 or blocks.sum() != sizes["d"]):
        raise ValueError(
            f"{told} has blocks_ that do not sum to its {sizes['d']} columns; {_ADVICE}"
        )
    if plain.get("block_", 0) >= max(sizes["b"], 1):
        raise ValueError(
            f"{told} has block_={plain['block_']} but {sizes['b']} blocks of columns; {_ADVICE}"
        )
    wrong = OF_BLOCKS & set(plain if several else arrays)
    if wrong:
        raise ValueError(
            f"{told} has {'one number' if several else 'an array'} {min(wrong)!r}, but "
            f"{sizes['b']} blocks of columns; {_ADVICE}"
        )


def _check_names(name, found, told):
    """Raise ValueError if mandatory attributes are missing or those of another class present."""
    due, others = BASELINE_ARRAYS.get(name, {"components_"}), OF_TARGETS | {"skip_", "block_"}
    if name in {kind.__name__ for kind in TRAINED}:
        due = {f"{field.name}_" for field in fields(Weights) if field.default is MISSING}
    if name in TRANSCODERS:
        # No outliers are known of the data that others trained on.
        known = OF_TARGETS - ({"target_outlier_cutoff_"} if "Pretrained" in name else set())
        due, others = due | known, set()
    missing = (due | {"n_features_in_"}) - found
    if missing:
        raise ValueError(f"{told} lacks {min(missing)}; save the dictionary again")
    if others & found:
        raise ValueError(
            f"{told} is a {name} but has {min(others & found)}, which only a transcoder has; "
            f"{_ADVICE}"
        )


def _check_plain(attribute, value, told):
    fits = type(value) in PLAIN.get(attribute, ())
    if fits and PLAIN[attribute] in (NUMBER, COUNT) and attribute not in MAY_BE_INFINITE:
        fits = bool(np.isfinite(value)) and (PLAIN[attribute] is NUMBER or value >= 0)
    if fits and attribute in WORDS:
        fits = value in WORDS[attribute]
    if fits and attribute == "feature_names_in_":
        fits = all(isinstance(name, str) for name in value)
    if fits and attribute == "history_":
        fits = all(isinstance(entry, dict) and _are_numbers(entry.values()) for entry in value)
    if not fits:
        raise ValueError(
            f"{told} has {attribute}={value!r:.80}, which is not a valid value; {_ADVICE}"
        )


def _are_numbers(values):
    return all(type(value) in NUMBER for value in values)


def _check_array(attribute, array, shape, told):
    is_known = attribute.isidentifier() and attribute.endswith("_")
    if not is_known or attribute in PLAIN.keys() - OF_BLOCKS:
        raise ValueError(
            f"{told} has an array {attribute!r:.80}, which is not a known attribute; {_ADVICE}"
        )
    if array.shape != shape or array.dtype.kind != ("i" if attribute in COUNTS else "f"):
        raise ValueError(
            f"{told} has {attribute} of shape {array.shape} and dtype {array.dtype} but "
            f"{'integers' if attribute in COUNTS else 'floats'} of shape {shape} are expected; "
            f"{_ADVICE}"
        )
    # A finite sum shows in one pass, without an array of flags, that all values are finite.
    if array.dtype.kind == "f" and not np.isfinite(array.sum(dtype=np.float64)):
        if not np.isfinite(array).all() and attribute not in MAY_BE_INFINITE:
            raise ValueError(f"{told} has NaN or infinity in {attribute}; {_ADVICE}")


_ADVICE = "fit or save it again"
