"""Check the parameters of a sparse dictionary autoencoder before training."""

import os
from contextlib import contextmanager

import numpy as np
import torch

from skdict._core import agreed, resolve_device
from skdict._validation import (
    as_numbers,
    check_choice,
    check_flag,
    check_number,
    check_random_state,
    told,
)
from skdict.decomposition._activation import check_activation
from skdict.decomposition._column_blocks import check_blocks
from skdict.decomposition._contract import is_transcoder
from skdict.decomposition._defaults import setting
from skdict.decomposition._levels import check_matryoshka, levels_of
from skdict.decomposition._sharding import check_shard

# None is the dtype of training.
PRODUCT_DTYPES = {"auto": None, "float32": None, "bfloat16": torch.bfloat16}
GIB = 2**30
# Adam moves each weight by about the learning rate, and directions have unit length.
HIGHEST_LEARNING_RATE = 1.0
FLAGS = ("debias", "center", "rescale", "warm_start", "sparse_output", "skip_connection")
RATE = "or 'auto'; 0.003 is typical, and above 0.03 features die"


def check_autoencoder_params(sae):
    """Raise ValueError or TypeError if a parameter is out of range or has the wrong type."""
    if sae.n_components is not None:
        check_number("n_components", sae.n_components, low=1, integer=True)
    check_activation(sae)
    if sae.alpha != "auto":
        check_number(
            "alpha", sae.alpha, low=0, hint="0.1 is a start for rescaled rows; or pass 'auto'"
        )
    check_matryoshka(sae)
    check_blocks(sae)
    _check_dict_init(sae)
    check_number("max_iter", sae.max_iter, low=1, integer=True)
    check_number("batch_size", sae.batch_size, low=1, integer=True)
    if sae.learning_rate != "auto":
        highest = HIGHEST_LEARNING_RATE
        check_number("learning_rate", sae.learning_rate, above=0, high=highest, hint=RATE)
    check_random_state(sae.random_state)
    if sae.tol is not None:
        check_number("tol", sae.tol, low=0)
    check_choice("bias_init", sae.bias_init, ("auto", "calibrated", "zeros"))
    _check_dead_features(sae)
    check_choice("precision", sae.precision, tuple(PRODUCT_DTYPES))
    check_shard(sae)
    params = sae.get_params(deep=False)
    for name in filter(params.__contains__, FLAGS):
        check_flag(name, params[name])
    if not isinstance(sae.tied_weights, str) or sae.tied_weights != "auto":
        check_flag("tied_weights", sae.tied_weights)
    resolve_device(sae.device)


def _check_dead_features(sae):
    check_choice("dead_features", sae.dead_features, ("auto", "ignore", "resample", "auxk"))
    if sae.dead_features == "auxk" and sae.activation == "relu":
        raise ValueError(
            "dead_features='auxk' needs a gradient for features that do not fire, and "
            "activation='relu' has none; pass dead_features='resample'"
        )


def _check_dict_init(sae):
    given = sae.dict_init
    if given is None or hasattr(given, "get_params"):
        return
    if is_transcoder(sae):
        raise TypeError(
            f"{told('dict_init', given)}: pass a fitted SparseTranscoder, or None for a new start"
        )
    directions = np.asarray(as_numbers("dict_init", given))
    if directions.ndim != 2 or directions.dtype.kind not in "iuf":
        raise TypeError(
            f"{told('dict_init', given)}: pass a fitted dictionary, or directions as an "
            f"array of shape (n_components, n_features)"
        )


def check_memory(sae, n_components, rows):
    """Check that training fits in memory, and that targets and prefixes fit the dictionary.

    Parameters
    ----------
    sae : SparseDictionaryAutoencoder or SparseTranscoder
        Estimator whose parameters are used.
    n_components : int
        Number of features.
    rows : ScaledRows
        Rows to train on.

    Raises
    ------
    ValueError
        If the estimated memory exceeds the free memory, `target_l0` exceeds the number of
        features, or `matryoshka` does not fit that number.
    """
    # Called only for the errors that it raises, before anything is allocated.
    levels_of(sae, n_components)
    if sae.target_l0 is not None and sae.target_l0 > n_components:
        raise ValueError(
            f"target_l0={sae.target_l0} is more than the {n_components} features of the "
            f"dictionary; lower target_l0 or raise n_components"
        )
    device = rows.device
    widths = len(rows.scaling.mean), len(rows.target_scaling.mean)
    start, stop = rows.group.features.span(n_components)
    # Moments and gradients of the encoder have its width, those of the decoder that of targets.
    sizes = stop - start, sum(widths) / 2, rows.dtype.itemsize
    needed, free = training_bytes(*sizes, setting(sae, "tied_weights")), _free_bytes(device)
    with agreed(rows.group):
        if free is not None and needed > free:
            raise ValueError(
                f"n_components={n_components} at width {widths[0]} needs about "
                f"{needed / GIB:.1f} GiB on {device}, which has {free / GIB:.1f} GiB free; lower "
                f"n_components, or train on several machines with shard='components'"
            )


@contextmanager
def told_what_to_lower(sae):
    """Raise `MemoryError`, naming what to lower, if a GPU runs out of memory."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise MemoryError(
            f"the GPU ran out of memory; lower batch_size (currently {sae.batch_size}) or "
            f"n_components, or pass device='cpu'"
        ) from error


def training_bytes(n_components, width, itemsize, tied):
    """Return the memory for parameters, moments, gradients and bfloat16 copies, in bytes."""
    return (5 if tied else 9) * n_components * (width + 1) * itemsize


def _free_bytes(device):
    """Return the free memory of a device in bytes, or None if unknown."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
