"""Edit activations in every forward pass of a model, with the token positions of each pass."""

import threading
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from weakref import ref

import torch

from skdict.models._encoders import is_encoder_decoder
from skdict.models._hooks import hook_everywhere
from skdict.models._running import Scope, is_checkpointed, n_ended_early, uncompiled
from skdict.models._signatures import bind_call, signature
from skdict.models._token_positions import (
    CACHES,
    INPUTS,
    TokenPositions,
    decoder_arguments,
    read_token_positions,
)

_thread = threading.local()


@dataclass
class _Call:
    """Call in progress of a module that receives tokens."""

    depth: int
    arguments: dict
    cached: dict
    has_encoder: bool
    n_ended: int
    token_positions: TokenPositions | None = None
    reads: list = field(default_factory=list)


class PassTracker:
    """Edit activations at a hook point in every pass, given the token positions of the pass.

    The tracker follows the calls of all modules around the hook point that receive tokens. The
    innermost of them determines which tokens the activations belong to: in an encoder-decoder,
    those of the encoder or those of the decoder.

    Parameters
    ----------
    model : Module
        Model to run.
    point : HookPoint
        Hook point to edit.
    hook_point : str
        Name of the hook point.
    sources : dict of str to HookPoint, default={}
        Hook points that are read before, in the same pass, by name. If the one to edit is among
        them, what it edits is read as it was before the edit.

    Raises
    ------
    ValueError
        If a source is in another part of the model, which may receive other tokens.
    """

    def __init__(self, model, point, hook_point, sources=MappingProxyType({})):
        self.point, self.hook_point, self.sources = point, hook_point, sources
        self._model, self._around = model, _given_tokens(model, point.module)
        for name, source in sources.items():
            if _given_tokens(model, source.module) != self._around:
                raise ValueError(
                    f"{name!r} and {hook_point!r} are in parts of the model that may read "
                    f"different tokens; pass hook points inside the same stack of blocks"
                )
        self._scope, self._calls, self._filled = Scope(), [], {}
        self._started = self._finished = self._reached = 0

    @contextmanager
    def editing(self, edit):
        """Edit the activations at the hook point inside the block.

        Parameters
        ----------
        edit : callable
            Function called as ``edit(value, token_positions, reads)`` with the activations, their
            `TokenPositions` and the activations at each source in the same pass, by name. It
            returns new activations, or None to leave them unchanged.

        Raises
        ------
        ValueError
            If a pass did not reach the hook point, or an enclosing block reads it. While the model
            runs: if a pass runs in another thread, will be run again in the backward pass, has
            arguments from which its token positions cannot be read, or has not passed a source.

        Warns
        -----
        RuntimeWarning
            If no pass ran at all.
        """
        with ExitStack() as stack:
            stack.enter_context(uncompiled())
            for depth, module in enumerate(self._around):
                handle = module.register_forward_pre_hook(self._before(depth), with_kwargs=True)
                stack.callback(handle.remove)
            stack.enter_context(self._reading())
            stack.callback(hook_everywhere(self.point, self._visit(edit)).remove)
            for depth, module in enumerate(self._around):
                handle = module.register_forward_hook(self._after(depth), always_call=True)
                stack.callback(handle.remove)
            try:
                yield
            finally:
                self._scope.closed = True
        self._check_reached()

    @contextmanager
    def _reading(self):
        """Read the sources inside the block, in which no inner block may edit them."""
        held = vars(_thread).setdefault("sources", [])
        if any(_is_same(self.point, source) for source in held):
            raise ValueError(
                f"hook_point={self.hook_point!r} is read by an enclosing block, which would not "
                f"see its edits; nest the blocks the other way round"
            )
        with ExitStack() as stack:
            for name, source in self.sources.items():
                if not _is_same(self.point, source):
                    stack.callback(hook_everywhere(source, self._read(name)).remove)
                    held.append(source)
                    stack.callback(held.remove, source)
            yield

    def _check_reached(self):
        if self._reached:
            return
        if self._finished:
            self._refuse_unreached()
        if not self._started:
            warnings.warn(
                f"no forward pass of the {type(self._model).__name__} ran inside the block, so "
                f"nothing was edited at {self.hook_point!r}; run the model that was passed, not a "
                f"copy, inside the block",
                RuntimeWarning,
                stacklevel=6,
            )

    def _refuse_unreached(self):
        raise ValueError(
            f"a forward pass did not reach hook_point={self.hook_point!r}, so its result is not "
            f"edited: the module there has been replaced, skipped, or built into a traced or "
            f"exported model, or its input was computed before the block; edit the model in the "
            f"form in which it runs"
        )

    def _before(self, depth):
        def before(module, args, kwargs):
            if self._scope.is_resting():
                return
            self._check_thread()
            self._started += 1
            self._calls = [call for call in self._running_calls() if call.depth < depth]
            arguments = bind_call(module, args, kwargs)
            caches = {n: arguments[n] for n in CACHES if arguments.get(n) is not None}
            # Counted now, because layers below the hook point fill the cache during the pass.
            cached = {name: self._n_cached(cache) for name, cache in caches.items()}
            has_encoder = is_encoder_decoder(module)
            call = _Call(depth, arguments, cached, has_encoder, n_ended_early())
            self._calls.append(call)

        return before

    def _after(self, depth):
        def after(module, args, output):
            if self._scope.is_resting() or not self._calls or self._calls[-1].depth != depth:
                return
            call = self._calls.pop()
            if output is None:
                return
            self._finished += 1
            # A pass of the decoder alone does not reach the encoder, and vice versa.
            if call.token_positions is None and not call.has_encoder:
                self._refuse_unreached()
            if call.token_positions is not None:
                self._remember(call, output)

        return after

    def _visit(self, edit):
        def visit(value):
            if self._scope.is_resting():
                return None
            self._check_thread()
            self._check_call(self.hook_point)
            if self._calls[-1].token_positions is not None:
                self._refuse_repeated(self.hook_point)
            token_positions = self._token_positions()
            self._reached += 1
            for call in self._calls:
                call.token_positions = token_positions
            return edit(value, token_positions, self._values_read(value))

        return visit

    def _read(self, name):
        def read(value):
            if self._scope.is_resting():
                return
            self._check_thread()
            self._check_call(name)
            # A copy, because some models modify their tensors in place.
            copied = value.clone() if torch.is_tensor(value) else value
            self._calls[-1].reads.append((name, copied))

        return read

    def _values_read(self, value):
        """Return the activations at the sources in this pass, given those at the hook point."""
        reads = [read for call in self._calls for read in call.reads]
        found = dict(reads)
        for name, source in self.sources.items():
            if _is_same(self.point, source):
                found[name] = value
            elif name not in found:
                raise ValueError(
                    f"a forward pass reached {self.hook_point!r} before it had computed "
                    f"{name!r}, or without computing it; pass the hook point that is read "
                    f"first, and run the whole model"
                )
            elif [other for other, _ in reads].count(name) > 1:
                self._refuse_repeated(name)
        return found

    def _check_thread(self):
        if not self._scope.is_here():
            raise ValueError(
                f"a forward pass runs in another thread while {self.hook_point!r} is edited, so it "
                f"is unclear whether to edit it; run it after the block, or open the block in the "
                f"thread that runs the model"
            )

    def _check_call(self, hook_point):
        if is_checkpointed():
            raise ValueError(
                f"hook_point={hook_point!r} is inside gradient checkpointing, which runs it "
                f"again in the backward pass, possibly after the edit has ended; call "
                f"model.gradient_checkpointing_disable() first"
            )
        self._calls = self._running_calls()
        if not self._calls:
            raise ValueError(
                f"the module at hook_point={hook_point!r} was run on its own, so the "
                f"positions of its rows in their texts are unknown; run the whole model, or its "
                f"encoder or decoder"
            )

    def _refuse_repeated(self, hook_point):
        raise ValueError(
            f"hook_point={hook_point!r} is a module that runs more than once in a forward pass; "
            f"choose one that runs once"
        )

    def _running_calls(self):
        """Return the calls still in progress; those ended early are still in the list."""
        return [call for call in self._calls if call.n_ended == n_ended_early()]

    def _token_positions(self):
        arguments, cached = {}, {}
        for call in self._calls:
            if call.has_encoder and call is not self._calls[-1]:
                continue
            own = decoder_arguments(call.arguments) if call.has_encoder else call.arguments
            arguments |= {name: value for name, value in own.items() if value is not None}
            cached |= call.cached
        return read_token_positions(arguments, cached)

    def _n_cached(self, cache):
        """Return the number of columns in a cache and the padding in them, or None if unknown."""
        found, length, padding = self._filled.get(id(cache), (None, None, None))
        found = found() if isinstance(found, ref) else found
        if found is not cache:
            length = padding = None
        try:
            length = int(cache.get_seq_length())
        except (AttributeError, ValueError):
            # State-space caches have no columns, but may report that they are empty.
            if hasattr(cache, "has_previous_state") and not cache.has_previous_state():
                length = 0
        return length, padding if length else None

    def _remember(self, call, output):
        """Record how many columns the caches of a pass hold at its end."""
        held = [call.arguments.get(n) for n in CACHES] + [getattr(output, n, None) for n in CACHES]
        start, positions, padding = call.token_positions
        length = start + positions.shape[1]
        for cache in held:
            if cache is not None:
                weak = hasattr(cache, "__weakref__")
                self._filled[id(cache)] = (ref(cache) if weak else cache), length, padding


def _is_same(point, other):
    return point.module is other.module and point.side == other.side


def _given_tokens(model, module):
    """Return a model, and the modules on the way to one of its modules that receive tokens."""
    path = next((name for name, other in model.named_modules() if other is module), "")
    around = [model]
    for part in path.split(".") if path else ():
        around.append(getattr(around[-1], part))
    return [m for m in around if m is model or set(INPUTS) & set(signature(m).parameters)]
