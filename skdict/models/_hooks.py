"""Reading the output of a module while the model runs."""

from contextlib import contextmanager

import torch


class _EndOfForward(BaseException):
    """Leaves a forward pass once everything wanted is read.

    Not an `Exception`, so that no handler inside a model takes it for an error.
    """


@contextmanager
def capture(module):
    """Read a module's output and stop the forward pass there.

    Run the model inside the block; whatever follows the module is skipped, and what it
    gave is in the list. The hook is gone when the block ends, however it ends.

    Parameters
    ----------
    module : torch.nn.Module
        Whose output is read; of a tuple, the first item.

    Yields
    ------
    list of torch.Tensor
        Filled with one output when the model has run; a copy, because some models go on to
        write into theirs. Stays empty if the output is no tensor.
    """
    outputs = []

    def read(module, args, output):
        # Whole models give a mapping that unpacks to a tuple.
        output = output.to_tuple() if hasattr(output, "to_tuple") else output
        hidden = output[0] if isinstance(output, tuple) else output
        if torch.is_tensor(hidden):
            outputs.append(hidden.detach().clone())
        raise _EndOfForward

    handle = module.register_forward_hook(read)
    try:
        yield outputs
    except _EndOfForward:
        pass
    finally:
        handle.remove()
