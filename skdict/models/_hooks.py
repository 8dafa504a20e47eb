"""The hook that reads or rewrites what goes through a place, and reading while a model runs."""

from contextlib import ExitStack, contextmanager
from functools import partial

import torch

from skdict.models._running import Scope, is_checkpointed, note_end_of_pass, uncompiled


class _EndOfForward(BaseException):
    """Leaves a forward pass once everything wanted is read.

    Not an `Exception`, so that no handler inside a model takes it for an error.
    """


class Captured(dict):
    """What `capture` read, by name of the place."""

    def __missing__(self, name):
        raise ValueError(
            f"hook_point={name!r} gave nothing: the forward pass did not run its module, or the "
            f"module gave no tensor; run the model inside the block, and choose a module that "
            f"is part of it and runs once for each token"
        )


def hook(point, visit):
    """Hand what goes through a place to a function, which may replace it.

    Parameters
    ----------
    point : HookPoint
        The place.
    visit : callable
        ``visit(value)``: the module's first input or output; returns what takes its place, or
        None to leave it. Passes in other threads are left alone.

    Returns
    -------
    torch.utils.hooks.RemovableHandle
    """
    scope = Scope()

    def visited(value):
        return visit(value) if scope.is_here() and not scope.is_resting() else None

    return hook_everywhere(point, visited)


def hook_everywhere(point, visit):
    """Do what `hook` does, in all threads and passes."""
    if point.side == "output":

        def after(module, args, output):
            first, key = _first(output)
            new = visit(first)
            return None if new is None else _with(output, key, new)

        return point.module.register_forward_hook(after)

    def before(module, args, kwargs):
        key = None if args else _input_name(kwargs)
        new = visit(args[0] if args else kwargs.get(key))
        if new is None:
            return None
        return ((new, *args[1:]), kwargs) if args else (args, kwargs | {key: new})

    return point.module.register_forward_pre_hook(before, with_kwargs=True)


def _first(output):
    """Return the first value of what a module gave, and its key there."""
    if hasattr(output, "to_tuple"):
        key = next(iter(output), None)
        return output.get(key), key
    if isinstance(output, (tuple, list)) and output:
        return output[0], 0
    return output, None


def _with(output, key, new):
    """Return what a module gave with its first value replaced."""
    if key is None:
        return new
    if key == 0:
        return [new, *output[1:]] if isinstance(output, list) else (new, *output[1:])
    return type(output)(**{**output, key: new})


def _input_name(kwargs):
    if "hidden_states" in kwargs:
        return "hidden_states"
    return next((name for name, value in kwargs.items() if torch.is_tensor(value)), None)


@contextmanager
def capture(points, *, stop=True):
    """Read places of a model while it runs.

    Run the model inside the block; what was read is in the dict. The hooks are gone when the
    block ends, however it ends. Compiled models run uncompiled inside the block, and passes in
    other threads are not read.

    Parameters
    ----------
    points : dict of str to HookPoint
        Where to read.
    stop : bool, default=True
        If True, the forward pass ends once all places have been read.

    Yields
    ------
    dict of str to torch.Tensor
        Filled when the model has run, with copies, because some models go on to write into
        their tensors. A place that gives no tensor is left out; asking for it is a
        `ValueError`.

    Raises
    ------
    ValueError
        If a place is passed more than once before all are read: which of its values is meant?
    """
    values, waiting, end = Captured(), set(points), _EndOfForward()

    def keep(name, value):
        if name not in waiting:
            if is_checkpointed():
                return
            raise ValueError(
                f"hook_point={name!r} is a module that runs more than once in a forward pass; "
                f"choose one that runs once"
            )
        if torch.is_tensor(value):
            values[name] = value.detach().clone()
        waiting.discard(name)
        if stop and not waiting:
            note_end_of_pass()
            raise end

    with ExitStack() as stack:
        stack.enter_context(uncompiled())
        for name, point in points.items():
            stack.callback(hook(point, partial(keep, name)).remove)
        try:
            yield values
        except _EndOfForward as reached:
            if reached is not end:
                raise
