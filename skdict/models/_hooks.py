"""Hooks that read or replace the activations at a hook point while a model runs."""

from contextlib import ExitStack, contextmanager
from functools import partial

import torch

from skdict.models._running import Scope, is_checkpointed, note_end_of_pass, uncompiled


class _EndOfForward(BaseException):
    """Signal that a forward pass can stop because everything requested has been read.

    Derived from `BaseException` so that no `except Exception` inside a model catches it.
    """


class Captured(dict):
    """Values read by `capture`, by hook point name."""

    def __missing__(self, name):
        raise ValueError(
            f"hook_point={name!r} gave no value: the forward pass did not run its module, or the "
            f"module did not return a tensor; run the model inside the block, and choose a module "
            f"that is part of it and runs once for each token"
        )


def hook(point, visit):
    """Call a function on the activations at a hook point; it may replace them.

    Parameters
    ----------
    point : HookPoint
        Hook point.
    visit : callable
        Function called as ``visit(value)`` with the first input or output of the module. It
        returns a replacement, or None to leave the value unchanged. Passes in other threads are
        ignored.

    Returns
    -------
    torch.utils.hooks.RemovableHandle
        Handle that removes the hook.
    """
    scope = Scope()

    def visited(value):
        return visit(value) if scope.is_here() and not scope.is_resting() else None

    return hook_everywhere(point, visited)


def hook_everywhere(point, visit):
    """Do the same as `hook`, but in all threads and passes."""
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
    """Return the first value in the output of a module, and its key in that output."""
    if hasattr(output, "to_tuple"):
        key = next(iter(output), None)
        return output.get(key), key
    if isinstance(output, (tuple, list)) and output:
        return output[0], 0
    return output, None


def _with(output, key, new):
    """Return the output of a module with its first value replaced."""
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
    """Read activations at hook points while a model runs.

    Run the model inside the ``with`` block; the dict then holds the activations. The hooks are
    removed when the block ends, also after an error. Compiled models run uncompiled inside the
    block, and passes in other threads are ignored.

    Parameters
    ----------
    points : dict of str to HookPoint
        Hook points to read, by name.
    stop : bool, default=True
        If True, end the forward pass once all hook points have been read.

    Yields
    ------
    dict of str to torch.Tensor
        Activations by name, filled once the model has run. They are copies, because some models
        modify their tensors in place. A hook point whose module does not return a tensor is
        missing, and looking it up raises `ValueError`.

    Raises
    ------
    ValueError
        If a module runs more than once before all hook points have been read, which leaves it
        open which value is meant.
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
