"""Hooks that read or replace the activations at a hook point while a model runs."""

import threading
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

    def listens():
        return scope.is_here() and not scope.is_resting()

    return hook_everywhere(point, lambda value: visit(value) if listens() else None, listens)


def hook_everywhere(point, visit, listens=lambda: True):
    """Do the same as `hook`, but in all threads and passes in which `listens` returns True."""
    if point.block is not None:
        return _Sum(point, visit, listens)
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


class _Sum:
    """Hooks on the sum of the input of a block and the output of a module in it.

    A replacement is added to the output of the module as a difference, so that all later parts
    of the block see it, and an unchanged sum leaves that output bit-identical.
    """

    def __init__(self, point, visit, listens):
        self._visit, self._listens = visit, listens
        # Other threads may run the same model.
        self._pass = threading.local()
        self._handles = (
            point.block.register_forward_pre_hook(self._enter, with_kwargs=True),
            point.module.register_forward_hook(partial(self._add, point.block)),
            point.block.register_forward_hook(self._leave, with_kwargs=True),
        )

    def remove(self):
        """Remove the hooks."""
        for handle in self._handles:
            handle.remove()

    def _enter(self, block, args, kwargs):
        self._pass.stream, self._pass.read = _first_input(args, kwargs), None

    def _add(self, block, module, args, output):
        if not self._listens():
            return None
        if block.training:
            raise ValueError(
                "resid_mid is resid_pre + attn_out, but in training mode dropout may change what "
                "attention adds; call model.eval() first"
            )
        added, key = _first(output)
        stream = vars(self._pass).pop("stream", None)
        if not torch.is_tensor(stream) or not torch.is_tensor(added):
            self._visit(None)
            return None
        self._pass.read = stream
        total = stream.to(added.device).reshape(added.shape) + added
        new = self._visit(total)
        return None if new is None else _with(output, key, added + (new - total).to(added.dtype))

    def _leave(self, block, args, kwargs, output):
        stream, given = vars(self._pass).pop("read", None), _first_input(args, kwargs)
        if stream is None or stream is given or not self._listens():
            return
        # Hooks on the input that were set after these have run after `_enter`.
        if not torch.equal(given, stream):
            raise ValueError(
                "the input of a block was replaced after resid_mid had read it; edit resid_pre "
                "outside the block that reads or edits resid_mid, not inside it"
            )


def _first_input(args, kwargs):
    return args[0] if args else kwargs.get(_input_name(kwargs))


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
            # Its frames hold the tensors of the pass, and this frame holds it: a cycle, which would
            # keep gigabytes until the garbage collector happens to run.
            end.__traceback__ = None
