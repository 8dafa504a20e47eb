"""Edit the activations of a model while it runs."""

from contextlib import contextmanager

from skdict._validation import check_choice
from skdict.interventions._edited_positions import EditedPositions
from skdict.interventions._edits import bind_edit
from skdict.interventions._frozen_dictionary import check_width, frozen_dictionary
from skdict.models import PassTracker, as_rows, find_hook_point, loaded_model, verify_found

ERRORS = ("keep", "target", "drop")


@contextmanager
def intervene(model, hook_point, dictionary, edit, *, positions=None, error="keep"):
    r"""Edit features of a model while it runs.

    Every run of the model inside the block is edited: a forward pass, `generate` with any cache, a
    gradient. Compiled models run uncompiled inside the block, and a model in training mode stays in
    training mode. Blocks can be nested, at one hook point or several. The hooks are removed when
    the block ends, even after an exception. With the codes c of activations x and the edited codes
    c', the model continues with

    .. math:: x + \mathrm{decode}(c') - \mathrm{decode}(c),

    so the reconstruction error of the dictionary is kept, and an edit that changes no code leaves
    the model's output bit-identical. A fitted eraser edits the activations themselves instead.

    Parameters
    ----------
    model : module, str, path or (module, tokenizer)
        Loaded model, with or without its tokenizer, or the name or folder of a model to load.
    hook_point : str
        Hook point to edit, such as "resid_post.2" (see `ActivationExtractor`), or the path of a
        module.
    dictionary : estimator or None
        Fitted dictionary: any estimator with `components_`, `transform` and `inverse_transform`.
        Pass the result of `to_torch` to convert a dictionary once and use it many times. None is
        accepted for erasers, which need no codes.
    edit : Ablate, Steer, Patch, Project, Reconstruct, fitted eraser or callable
        Edit to apply. A callable receives the codes as a tensor of shape (n_texts, n_tokens,
        n_components), zero at unedited tokens, and returns new codes. A fitted eraser, such as
        `LEACE`, `FeatureEraser` or any other transformer that keeps the shape of the rows,
        rewrites the activations and is accepted with or without a dictionary.
    positions : None, sequence of int or array of bool, default=None
        Tokens to edit. None edits all but the first token of each text, which
        `ActivationExtractor` skips as well. Whole numbers are positions in each text, counted
        from 0. Flags of shape (n_texts, n_columns) select columns of the batch; later columns
        are left unchanged. Padding is never edited. Positions that no text inside the block has
        raise an error when the block ends.
    error : {"keep", "target", "drop"}, default="keep"
        Treatment of the reconstruction error. "keep" keeps it, "target" takes it from the other
        run of a `Patch`, and "drop" removes it, so that the model continues with decode(c').
        Erasers accept only "keep".

    Yields
    ------
    module
        Model to run inside the block.

    Raises
    ------
    TypeError
        If the edit, the dictionary or the model has the wrong type, or `dictionary` is None and
        the edit needs codes.
    NotFittedError
        If the dictionary or the eraser is not fitted.
    ValueError
        If the hook point or a feature does not exist, the dictionary does not match the width of
        the hook point, the edit returns codes of another shape or codes that are not finite, or
        a parameter is out of range. During a forward pass: if an argument that determines the
        position of the pass (mask, position ids, cache) cannot be read, or the pass does not
        reach the hook point, runs in another thread or is inside gradient checkpointing. When
        the block ends: if passes ran but none reached the hook point, or no text had one of the
        positions.

    Warns
    -----
    RuntimeWarning
        If no forward pass ran inside the block.

    See Also
    --------
    LEACE : Erase a concept by the smallest edit that leaves no linear trace of it.
    FeatureEraser : Erase a concept through features of a dictionary.
    skdict.models.capture : Read activations at hook points.

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

    A fitted eraser is an edit that needs no dictionary:

    >>> import numpy as np
    >>> from skdict.interventions import LEACE
    >>> rows = np.random.default_rng(0).standard_normal((200, 128))
    >>> eraser = LEACE().fit(rows, rows[:, 5] > 0)
    >>> with torch.no_grad(), intervene(model, "resid_post.2", None, eraser):
    ...     erased = model(torch.arange(5)[None]).logits
    >>> erased.shape
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
    """Return the activations that the model continues with, or None if nothing is edited."""
    if dictionary is not None:
        check_width(hook_point, rows.shape[-1], dictionary)
    if not chosen.any():
        return None
    # The model may be spread over devices; the dictionary is on one of them.
    beside = rows if dictionary is None else rows.to(dictionary.offset)
    new = rewrite(beside, chosen.to(beside.device), start)
    return new.to(value).reshape(value.shape)
