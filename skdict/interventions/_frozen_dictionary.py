"""Freeze a dictionary for use inside a model, and check that the two fit together."""

import numbers
from itertools import chain

import torch

from skdict._core import AffineDictionary, AffineTranscoder, HostDictionary, HostTranscoder
from skdict._validation import check_features as check_listed
from skdict.decomposition import check_reconstructs_rows, to_torch
from skdict.interventions._hook_pairs import check_fits
from skdict.models import input_device

FROZEN = (AffineDictionary, AffineTranscoder, HostDictionary, HostTranscoder)


def frozen_dictionary(dictionary, model, hook_point=None):
    """Return a dictionary as tensors on the device of a model.

    The dtype is float64 for a float64 model, else float32. A frozen dictionary is only moved, so
    that many interventions can share one conversion.

    Parameters
    ----------
    dictionary : estimator or frozen dictionary
        Fitted dictionary.
    model : Module
        Model to use it in.
    hook_point : str, (str, str) or ((str, ...), str), optional
        Hook point or, for a transcoder, pair of hook points. Without it, transcoders are rejected.

    Returns
    -------
    AffineDictionary, HostDictionary, AffineTranscoder or HostTranscoder

    Raises
    ------
    ValueError
        If it is a transcoder and the hook point is not a pair, or the other way round.
    """
    if hook_point is None:
        check_reconstructs_rows(dictionary)
    else:
        check_fits(dictionary, hook_point)
    weights = chain(model.parameters(), model.buffers())
    weight = next((w for w in weights if w.is_floating_point()), None)
    dtype = torch.float64 if weight is not None and weight.dtype == torch.float64 else torch.float32
    if not isinstance(dictionary, FROZEN):
        name = str(dtype).removeprefix("torch.")
        dictionary = to_torch(dictionary, device="cpu", dtype=name)
    return dictionary.to(device=input_device(model), dtype=dtype)


def check_width(hook_point, width, dictionary):
    """Raise ValueError if the rows that a frozen dictionary encodes have another width."""
    if width != dictionary.n_inputs:
        raise ValueError(
            f"hook_point={hook_point!r} has width {width} but the dictionary was fitted on rows of "
            f"width {dictionary.n_inputs}; fit one on activations from this hook point"
        )


def check_target_width(hook_point, width, dictionary):
    """Raise ValueError if the rows that a frozen transcoder predicts have another width."""
    if width != len(dictionary.offset):
        raise ValueError(
            f"hook_point={hook_point!r} has width {width} but the transcoder predicts rows of "
            f"width {len(dictionary.offset)}; fit one on activations from these two hook points"
        )


def check_features(features, dictionary):
    """Return features of a frozen dictionary as a list; None means all, an int that feature.

    Raises
    ------
    TypeError
        If `features` are not whole numbers.
    ValueError
        If a feature does not exist or is listed twice.
    """
    n_features = len(dictionary.components)
    if features is None:
        return list(range(n_features))
    if isinstance(features, numbers.Integral) and not isinstance(features, bool):
        features = [features]
    return check_listed(features, n_features)
