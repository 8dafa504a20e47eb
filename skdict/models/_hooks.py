"""Reading what goes through modules while the model runs."""

from contextlib import ExitStack, contextmanager

import torch


class _EndOfForward(BaseException):
    """Leaves a forward pass once everything wanted is read.

    Not an `Exception`, so that no handler inside a model takes it for an error.
    """


@contextmanager
def capture(points, *, stop=True):
    """Read places of a model while it runs.

    Run the model inside the block; what was read is in the dict. The hooks are gone when the
    block ends, however it ends.

    Parameters
    ----------
    points : dict of str to HookPoint
        Where to read.
    stop : bool, default=True
        Whether the forward pass ends once all places have been read.

    Yields
    ------
    dict of str to torch.Tensor
        Filled when the model has run, with copies, because some models go on to write into
        their tensors. A place that gives no tensor is left out.

    Raises
    ------
    ValueError
        If a place is passed more than once before all are read: which of its values is meant?
    """
    values, waiting = {}, set(points)

    def keep(name, value):
        # Whole models give a mapping that unpacks to a tuple.
        value = value.to_tuple() if hasattr(value, "to_tuple") else value
        value = value[0] if isinstance(value, tuple) else value
        if name not in waiting:
            raise ValueError(
                f"hook_point={name!r} is a module that runs more than once in a forward pass; "
                f"choose one that runs once"
            )
        if torch.is_tensor(value):
            values[name] = value.detach().clone()
        waiting.discard(name)
        if stop and not waiting:
            raise _EndOfForward

    with ExitStack() as stack:
        for name, point in points.items():
            handle = _register(point, lambda value, name=name: keep(name, value))
            stack.callback(handle.remove)
        try:
            yield values
        except _EndOfForward:
            pass


def _register(point, keep):
    if point.side == "output":
        return point.module.register_forward_hook(lambda module, args, output: keep(output))

    def before(module, args, kwargs):
        keep(args[0] if args else kwargs["hidden_states"])

    return point.module.register_forward_pre_hook(before, with_kwargs=True)
