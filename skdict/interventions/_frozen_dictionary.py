"""Freeze a dictionary for use inside a model, and check that the two fit together."""

import numbers
from itertools import chain

import torch

from skdict._core import AffineDictionary, HostDictionary
from skdict._validation import check_features as check_listed
from skdict.decomposition import check_reconstructs_rows, to_torch
from skdict.models import input_device


def frozen_dictionary(dictionary, model):
    """Return a dictionary as tensors on the device of a model.

    The dtype is float64 for a float64 model, else float32. A frozen dictionary is only moved, so
    that many interventions can share one conversion.

    Raises
    ------
    ValueError
        If it is a transcoder, whose reconstructions belong at another hook point.
    """
    check_reconstructs_rows(dictionary)
    weights = chain(model.parameters(), model.buffers())
    weight = next((w for w in weights if w.is_floating_point()), None)
    dtype = torch.float64 if weight is not None and weight.dtype == torch.float64 else torch.float32
    if not isinstance(dictionary, (AffineDictionary, HostDictionary)):
        name = str(dtype).removeprefix("torch.")
        dictionary = to_torch(dictionary, device="cpu", dtype=name)
    return dictionary.to(device=input_device(model), dtype=dtype)


def check_width(hook_point, width, dictionary):
    """Raise ValueError if a frozen dictionary does not match the width of a hook point."""
    if width != len(dictionary.offset):
        raise ValueError(
            f"hook_point={hook_point!r} has width {width} but the dictionary was fitted on rows of "
            f"width {len(dictionary.offset)}; fit one on activations from this hook point"
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
