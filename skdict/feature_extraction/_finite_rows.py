"""Check that rows are finite, and otherwise report the text, the token and the likely cause."""

from itertools import chain

import numpy as np
import torch

LARGEST_HALF = float(np.finfo(np.float16).max)


def to_rows(values, window, hook_point, model, dtype):
    """Return the activations read on the tokens of a window as rows.

    Parameters
    ----------
    values : torch.Tensor of shape (n_rows, width)
        Activations at the tokens that yield rows.
    window : Window
        Window that they were read in.
    hook_point : str
        Hook point that they were read at.
    model : Module
        Model, searched for the cause of values that are not finite.
    dtype : {"float32", "float16"}
        Dtype of the rows.

    Returns
    -------
    ndarray of shape (n_rows, width)
        Rows in float32, safe to assign to an array of `dtype`.

    Raises
    ------
    ValueError
        If a value is not finite, or too large for float16.
    """
    rows = values.float().cpu().numpy()
    largest = np.abs(rows).max(initial=0)
    if not np.isfinite(largest):
        row = int(np.argmin(np.isfinite(rows).all(axis=1)))
        what = "NaN" if np.isnan(rows[row]).any() else "infinity"
        raise ValueError(
            f"texts[{window.text}] gives {what} at hook_point={hook_point!r}, first at its token "
            f"{window.positions[row]} (id {window.ids[window.kept[row]]}): "
            f"{_cause(model, values.dtype)}"
        )
    if dtype == "float16" and largest > LARGEST_HALF:
        raise ValueError(
            f"dtype='float16' cannot hold an activation of {largest:.3g} at {hook_point!r}, in "
            f"texts[{window.text}] (at most 65504); use dtype='float32'"
        )
    return rows


def _cause(model, dtype):
    """Return the likely cause of values that are not finite, and what to do about it."""
    named = chain(model.named_parameters(), model.named_buffers())
    for name, weight in named:
        if weight.is_floating_point() and not weight.is_meta and not _is_finite(weight):
            return (
                f"{name} of the model contains NaN or infinity; reload the model, or repair "
                f"whatever changed its weights"
            )
    if dtype == torch.float16:
        return (
            "the model runs in float16, which overflows above 65504; load it in bfloat16 or float32"
        )
    return (
        "all weights are finite, so a product overflows or a module divides by zero; read earlier "
        "hook points to find out which, or run the model in float32"
    )


def _is_finite(weight):
    # Attention masks contain -inf on purpose, but only in buffers.
    if not isinstance(weight, torch.nn.Parameter):
        return not bool(weight.isnan().any())
    return bool(torch.isfinite(weight).all())
