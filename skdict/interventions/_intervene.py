"""Editing the features of a model while it runs."""

from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

import numpy as np
import torch

from skdict._validation import check_choice
from skdict.interventions._calls import CallTracker, register_rewriting
from skdict.interventions._edits import bind_edit
from skdict.interventions._loaded import (
    check_width,
    frozen_dictionary,
    loaded_model,
    model_device,
)
from skdict.models import evaluation_mode, find_hook_point, verify_hook_points

ERRORS = ("keep", "target", "drop")
_verifying = ContextVar("verifying", default=False)


@contextmanager
def intervene(model, hook_point, dictionary, edit, *, positions=None, error="keep"):
    r"""Edit the features of a model while it runs.

    Whatever runs the model inside the block sees the edit: a forward pass, `generate` with its
    key-value cache, a gradient. Blocks nest, over several hook points or one; the hooks are gone
    when the block ends, however it ends. With the codes c of activations x and the new codes
    c', what goes on is

    .. math:: x + \mathrm{decode}(c') - \mathrm{decode}(c),

    so that what the dictionary does not rebuild stays, and an edit that changes no code leaves
    every bit of the model's output as it is.

    Parameters
    ----------
    model : module, str, path or (module, tokenizer)
        A loaded model, alone or with its tokenizer, or its name or folder, which is loaded.
    hook_point : str
        Where: as of `ActivationExtractor`, such as "resid_post.2", or the path of a module.
    dictionary : estimator or None
        Fitted: anything with `components_`, `transform` and `inverse_transform`; or what
        `to_torch` made of it, which saves the conversion where it is used often. None for
        edits of activations that need no codes, such as `Erase`.
    edit : Ablate, Steer, Patch, Project, Reconstruct or callable
        What to do to the codes. A callable is given codes as a tensor of shape (n_texts,
        n_tokens, n_components), zero where nothing is edited, and returns new ones.
    positions : None, sequence of int or array of bool, default=None
        Which tokens to edit. None means all but the first of each text, which the extractor
        leaves out, too; whole numbers are positions in the text, from 0; flags of shape
        (n_texts, n_columns) are by column of the batch, and later columns are left alone.
        Padding is never edited.
    error : {"keep", "target", "drop"}, default="keep"
        Whether the reconstruction error stays, is taken from the other run of a `Patch`, or is
        left out, so that what goes on is decode(c').

    Yields
    ------
    module
        The model, to run inside the block.

    Raises
    ------
    TypeError
        If the edit, the dictionary or the model is of a wrong kind.
    ValueError
        If the hook point or a feature does not exist, the dictionary is of another width than
        the hook point, the edit returns codes of another shape or that are not finite, or a
        parameter is out of range; while the model runs, from the run.

    See Also
    --------
    skdict.models.capture : Reads what goes through hook points.

    References
    ----------
    Cunningham, Ewart, Riggs, Huben and Sharkey (2023), "Sparse Autoencoders Find Highly
    Interpretable Features in Language Models", section 4.

    Examples
    --------
    >>> import torch
    >>> from skdict import load_stories
    >>> from skdict.decomposition import IdentityDictionary
    >>> from skdict.interventions import Ablate, intervene
    >>> neurons = IdentityDictionary().fit(torch.zeros(2, 128).numpy())
    >>> with torch.no_grad(), intervene(
    ...     load_stories().model, "resid_post.2", neurons, Ablate([12, 90])
    ... ) as model:
    ...     logits = model(torch.arange(5)[None]).logits
    >>> logits.shape
    torch.Size([1, 5, 2048])
    """
    check_choice("error", error, ERRORS)
    positions = _check_positions(positions)
    module = loaded_model(model)
    point = find_hook_point(module, hook_point)
    frozen = None if dictionary is None else frozen_dictionary(dictionary, module)
    rewrite = bind_edit(edit, frozen, error)
    _verify(module, hook_point)
    calls = CallTracker()

    def edited(value):
        if _verifying.get():
            return value
        calls.read_once(hook_point)
        return _edit(value, calls, frozen, rewrite, positions, hook_point)

    with ExitStack() as hooks:
        hooks.enter_context(calls.following(module))
        hooks.callback(register_rewriting(point, edited).remove)
        yield module


def _edit(value, calls, dictionary, rewrite, positions, hook_point):
    """Return what goes on from a hook point."""
    at, width, dtype = calls.positions_of(value), value.shape[-1], value.dtype
    if dictionary is not None:
        check_width(hook_point, width, dictionary)
        dtype = dictionary.offset.dtype
    chosen = _chosen(at, positions, calls.start)
    if not chosen.any():
        return value
    x = value.reshape(*at.shape, width).to(dtype)
    return rewrite(x, chosen, calls.start).to(value.dtype).reshape(value.shape)


def _check_positions(positions):
    """Return positions as None, a tensor of whole numbers or a 2-d tensor of flags."""
    if positions is None:
        return None
    array = np.asarray(positions.cpu() if torch.is_tensor(positions) else positions)
    if array.dtype == bool and array.ndim == 2:
        return torch.from_numpy(array)
    array = np.atleast_1d(array)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu") or (array < 0).any():
        raise ValueError(
            f"positions={positions!r} is not accepted: pass None, whole numbers from 0, or flags "
            f"of shape (n_texts, n_columns)"
        )
    return torch.from_numpy(array.astype(np.int64))


def _chosen(at, positions, start):
    """Return which tokens of a pass are to be edited."""
    if positions is None:
        return at > 0
    if positions.dtype != torch.bool:
        return (at >= 0) & torch.isin(at, positions.to(at.device))
    if len(positions) not in (1, len(at)):
        raise ValueError(
            f"positions has flags for {len(positions)} texts, and the model runs on {len(at)}; "
            f"pass a row for each"
        )
    flags = torch.zeros(len(at), at.shape[1], dtype=torch.bool, device=at.device)
    part = positions[:, start : start + at.shape[1]].to(at.device)
    flags[:, : part.shape[1]] = part
    return flags & (at >= 0)


def _verify(module, hook_point):
    """Have the places found by structure checked, with the edits of outer blocks at rest."""
    if not hook_point.startswith(("attn_", "mlp_")):
        return
    token = _verifying.set(True)
    try:
        with evaluation_mode(module):
            verify_hook_points(module, torch.arange(8, device=model_device(module))[None])
    finally:
        _verifying.reset(token)
