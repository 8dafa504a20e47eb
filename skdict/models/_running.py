"""Controlled forward passes: in evaluation mode, uncompiled, one at a time."""

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
    """Put a model in evaluation mode inside the block, and restore its mode afterwards.

    Blocks may overlap, in one thread or several: the mode of a module is restored when the last
    block that includes it ends.

    Parameters
    ----------
    model : Module
        Loaded model. The mode of each of its modules is restored separately, also after an
        error.

    Yields
    ------
    None
        Nothing; the model itself is changed.
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
        Model to lock. A wrapper (compiled, or with adapters) shares the lock of the model inside.

    Yields
    ------
    None
        Nothing; the lock is held inside the block.
    """
    with _lock:
        lock = _locks.setdefault(embedding_of(model), threading.RLock())
    with lock:
        yield


@contextmanager
def uncompiled():
    """Run the output of `torch.compile` as plain Python, because compiled code skips hooks.

    Yields
    ------
    None
        Nothing; compilation is off inside the block.
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
    """Hide forward passes inside the block, such as checks, from hooks set outside it.

    Yields
    ------
    None
        Nothing; outer hooks are inactive inside the block.
    """
    _thread.depth = _depth() + 1
    try:
        yield
    finally:
        _thread.depth -= 1


def _depth():
    return getattr(_thread, "depth", 0)


def note_end_of_pass():
    """Record that a forward pass of this thread ended early, so that no hook waits for its end."""
    _thread.ended = n_ended_early() + 1


def n_ended_early():
    """Return the number of forward passes that ended early in this thread."""
    return getattr(_thread, "ended", 0)


class Scope:
    """Thread in which a hook was set, and the passes that the hook applies to."""

    def __init__(self):
        self._thread, self._depth, self.closed = threading.get_ident(), _depth(), False

    def is_resting(self):
        """Return True if the hook should ignore the current pass."""
        return self.closed or (self.is_here() and self._depth != _depth())

    def is_here(self):
        """Return True in the thread in which the hook was set."""
        return threading.get_ident() == self._thread


def is_checkpointed():
    """Return True inside a checkpointed function, which the backward pass runs again."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename == torch.utils.checkpoint.__file__:
            # Re-entrant checkpointing first runs the function without gradient.
            return torch.is_grad_enabled() or frame.f_code.co_name == "forward"
        frame = frame.f_back
    return False
