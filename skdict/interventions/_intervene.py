"""Edit the activations of a model while it runs."""

from contextlib import contextmanager

from skdict._validation import check_choice
from skdict.interventions._edited_positions import EditedPositions
from skdict.interventions._edits import bind_edit
from skdict.interventions._frozen_dictionary import (
    check_target_width,
    check_width,
    frozen_dictionary,
)
from skdict.interventions._hook_pairs import (
    check_fits,
    encoded_name,
    find_pair,
    join_rows,
    split_pair,
)
from skdict.models import PassTracker, as_rows, loaded_model, verify_found

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

    A transcoder is edited at a pair of hook points, such as ``("mlp_in.2", "mlp_out.2")``. The
    codes c are those of the activations at the first one, read in the same forward pass, and the
    activations y at the second one become

    .. math:: y + \mathrm{decode}(c') - \mathrm{decode}(c),

    which keeps the difference between y and what the transcoder predicts.

    A crosscoder is edited at the last of its hook points, as the transcoder of that block: pass
    ``block_transcoder(crosscoder, 1)`` and ``(("resid_post.1", "resid_post.2"), "resid_post.2")``.
    The hook points that are read are side by side in the order of the blocks.

    Parameters
    ----------
    model : module, str, path or (module, tokenizer)
        Loaded model, with or without its tokenizer, or the name or folder of a model to load.
    hook_point : str, (str, str) or ((str, ...), str)
        Hook point to edit, such as "resid_post.2" (see `ActivationExtractor`), or the path of a
        module. For a transcoder: the hook point or hook points that it reads, and the one that it
        predicts, which is edited. Blocks that edit one that is read go around this one.
    dictionary : estimator or None
        Fitted dictionary: any estimator with `components_`, `transform` and `inverse_transform`,
        or a transcoder. Pass the result of `to_torch` to convert a dictionary once and use it many
        times. None is accepted for erasers, which need no codes.
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
        run of a `Patch`, and "drop" removes it, so that the model continues with decode(c'), plus
        the skip connection of a transcoder. Erasers accept only "keep", and transcoders not
        "target".

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
        the hook point, a transcoder comes with a single hook point or another dictionary with a
        pair, an enclosing block reads the hook point for a transcoder, the edit returns codes of
        another shape or codes that are not finite, or a parameter is out of range. During a forward
        pass: if an argument that determines the position of the pass (mask, position ids, cache)
        cannot be read, or the pass does not reach the hook point, reaches the second of a pair
        before the first, runs in another thread or is inside gradient checkpointing. When the
        block ends: if passes ran but none reached the hook point, or no text had one of the
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
    sources, point = find_pair(module, hook_point)
    check_fits(dictionary, hook_point)
    frozen = None if dictionary is None else frozen_dictionary(dictionary, module, hook_point)
    rewrite = bind_edit(edit, frozen, error)
    _, target = split_pair(hook_point)
    verify_found(module, list(dict.fromkeys((*sources, target))))

    def edited(value, standing, reads):
        shape, flags = standing.positions.shape, chosen.of(standing)
        y = as_rows(value, shape, target)
        x = join_rows([as_rows(reads[name], shape, name) for name in sources]) if sources else y
        if frozen is not None:
            check_width(encoded_name(hook_point), x.shape[-1], frozen)
            if sources:
                check_target_width(target, y.shape[-1], frozen)
            # The model may be spread over devices; the dictionary is on one of them.
            x, y = x.to(frozen.offset), y.to(frozen.offset)
        if not flags.any():
            return None
        new = rewrite(x, y, flags.to(y.device), standing.start)
        return None if new is None else new.to(value).reshape(value.shape)

    with PassTracker(module, point, target, sources).editing(edited):
        yield module
    chosen.check_all_met()
