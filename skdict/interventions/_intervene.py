"""Editing the features of a model while it runs."""

from contextlib import contextmanager

from skdict._validation import check_choice
from skdict.interventions._edited_positions import EditedPositions
from skdict.interventions._edits import bind_edit
from skdict.interventions._frozen_dictionary import check_width, frozen_dictionary
from skdict.models import PassTracker, as_rows, find_hook_point, loaded_model, verify_found

ERRORS = ("keep", "target", "drop")


@contextmanager
def intervene(model, hook_point, dictionary, edit, *, positions=None, error="keep"):
    r"""Edit the features of a model while it runs.

    Whatever runs the model inside the block sees the edit: a forward pass, `generate` with any
    cache, a gradient. Compiled models run uncompiled inside the block, and a model in training
    mode stays in it. Blocks nest, over several hook points or one; the hooks are gone
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
        erasers, which need no codes.
    edit : Ablate, Steer, Patch, Project, Reconstruct, fitted eraser or callable
        What to do to the codes. A callable is given codes as a tensor of shape (n_texts,
        n_tokens, n_components), zero where nothing is edited, and returns new ones. An eraser, such
        as `LEACE`, rewrites the activations themselves.
    positions : None, sequence of int or array of bool, default=None
        Which tokens to edit. None means all but the first of each text, which the extractor
        leaves out, too; whole numbers are positions in the text, from 0; flags of shape
        (n_texts, n_columns) are by column of the batch, and later columns are left alone.
        Padding is never edited.
        Positions that no text inside the block had are refused when it ends.
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
        parameter is out of range. While the model runs, from the run: if an argument that says
        where a pass stands (masks, position ids, caches) cannot be read, the pass does not come
        by the hook point, runs in another thread, or is inside gradient checkpointing. When the
        block ends: if passes ran and none came by the hook point.

    Warns
    -----
    RuntimeWarning
        If no forward pass ran inside the block.

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
    chosen = EditedPositions(positions)
    module = loaded_model(model)
    point = find_hook_point(module, hook_point)
    frozen = None if dictionary is None else frozen_dictionary(dictionary, module)
    rewrite = bind_edit(edit, frozen, error)
    verify_found(module, [hook_point])

    def edited(value, standing):
        rows = as_rows(value, standing.positions.shape, hook_point)
        return _edit(rows, chosen.of(standing), standing.start, frozen, rewrite, hook_point, value)

    with PassTracker(module, point, hook_point).editing(edited):
        yield module
    chosen.check_all_met()


def _edit(rows, chosen, start, dictionary, rewrite, hook_point, value):
    """Return what goes on from a hook point, None where nothing is edited."""
    if dictionary is not None:
        check_width(hook_point, rows.shape[-1], dictionary)
    if not chosen.any():
        return None
    # Where a model is spread over devices, the dictionary is on one of them.
    beside = rows if dictionary is None else rows.to(dictionary.offset)
    new = rewrite(beside, chosen.to(beside.device), start)
    return new.to(value).reshape(value.shape)
