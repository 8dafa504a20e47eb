"""Running a model undisturbed: in evaluation mode, uncompiled, one pass at a time."""

import sys
import threading
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
import torch.utils.checkpoint

from skdict.models._placement import embedding_of

_lock = threading.RLock()
_locks = WeakKeyDictionary()
_modes = WeakKeyDictionary()
_eager = {"blocks": 0, "stance": None}
_thread = threading.local()


@contextmanager
def evaluation_mode(model):
    """Run a model without dropout, and leave it in the mode it was in.

    Blocks may overlap, in one thread or several: modules get their own mode back when the last
    block that concerns them ends.

    Parameters
    ----------
    model : Module
        A loaded model; each of its modules gets its own mode back, also after an error.

    Yields
    ------
    None
        Nothing: the model itself is in evaluation mode inside the block.
    """
    modules = list(model.modules())
    with _lock:
        for module in modules:
            blocks, training = _modes.get(module, (0, module.training))
            _modes[module] = blocks + 1, training
        model.eval()
    try:
        yield
    finally:
        with _lock:
            for module in modules:
                blocks, training = _modes.pop(module)
                if blocks > 1:
                    _modes[module] = blocks - 1, training
                else:
                    module.training = training


@contextmanager
def one_pass_at_a_time(model):
    """Hold the re-entrant lock of a model, so that passes of several threads do not mix.

    Parameters
    ----------
    model : Module
        Wrappers of a model (compiled, with adapters) share the lock of what they wrap.

    Yields
    ------
    None
    """
    with _lock:
        lock = _locks.setdefault(embedding_of(model), threading.RLock())
    with lock:
        yield


@contextmanager
def uncompiled():
    """Have whatever `torch.compile` made run as plain Python: compiled code skips hooks.

    Yields
    ------
    None
    """
    with _lock:
        if not _eager["blocks"]:
            _eager["stance"] = torch.compiler.set_stance("force_eager")
        _eager["blocks"] += 1
    try:
        yield
    finally:
        with _lock:
            _eager["blocks"] -= 1
            if not _eager["blocks"]:
                _eager.pop("stance").__exit__(None, None, None)


@contextmanager
def hooks_at_rest():
    """Run passes that hooks set before this block do not see, such as checks of hook points.

    Yields
    ------
    None
    """
    _thread.depth = _depth() + 1
    try:
        yield
    finally:
        _thread.depth -= 1


def _depth():
    return getattr(_thread, "depth", 0)


def note_end_of_pass():
    """Count a forward pass of this thread as ended early, so that no hook awaits its end."""
    _thread.ended = n_ended_early() + 1


def n_ended_early():
    """Return how many forward passes of this thread have been ended early."""
    return getattr(_thread, "ended", 0)


class Scope:
    """The thread a hook was set in, and the passes it is meant to see."""

    def __init__(self):
        self._thread, self._depth, self.closed = threading.get_ident(), _depth(), False

    def is_resting(self):
        """Return True if a pass is none of this hook's business."""
        return self.closed or (self.is_here() and self._depth != _depth())

    def is_here(self):
        """Return True in the thread that the hook was set in."""
        return threading.get_ident() == self._thread


def is_checkpointed():
    """Return True if what runs now is run again in the backward pass, or is being run again."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename == torch.utils.checkpoint.__file__:
            # The re-entrant kind runs without gradient at first.
            return torch.is_grad_enabled() or frame.f_code.co_name == "forward"
        frame = frame.f_back
    return False
