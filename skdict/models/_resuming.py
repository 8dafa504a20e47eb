"""Run a model from a hook point upward: blocks below it run once and are skipped afterwards."""

from contextlib import ExitStack, contextmanager

import torch

from skdict.models._encoders import check_continues_texts
from skdict.models._hook_points import HookPoint, find_blocks, find_hook_point
from skdict.models._hooks import capture, hook
from skdict.models._padding import as_rows, run
from skdict.models._running import Scope, one_pass_at_a_time, uncompiled

TOLERANCE = 1e-3


class ForwardFrom:
    """Fixed prompts, and a model to run on them from a hook point upward.

    The whole model runs on the prompts once. After that, blocks below the hook point pass their
    input on unchanged, and new rows replace the activations at the hook point. Everything else
    is done by the model's own code, so that no table of model families is needed. If this does
    not reproduce the logits of the model, the whole model is run every time, with the new rows
    inserted at the hook point.

    Parameters
    ----------
    model : torch.nn.Module
        Model in evaluation mode.
    hook_point : str
        Name of the hook point.
    ids : torch.Tensor of shape (n_rows, n_positions), dtype int64
        Token ids, padded on the right.
    mask : torch.Tensor of that shape, or None
        Attention mask, 1 for tokens and 0 for padding; None if no row is padded.

    Attributes
    ----------
    hidden : torch.Tensor of shape (n_rows, n_positions, width)
        Activations at the hook point.
    n_skipped : int
        Number of blocks that run only once.

    Raises
    ------
    ValueError
        If the hook point does not give one row for each token, the model returns no logits, or
        the logits do not depend on the hook point.
    """

    def __init__(self, model, hook_point, ids, mask=None):
        check_continues_texts(model)
        self.model, self.hook_point, self.ids, self.mask = model, hook_point, ids, mask
        self._point = find_hook_point(model, hook_point)
        self._head = _output_embeddings(model)
        self._check_below_head()
        self._blocks = _blocks(model)
        self.n_skipped, self._entered = _split(self._blocks, self._point)
        self._outputs, self._input = {}, None
        plain = self._run_once()
        self._check_reach()
        if self.n_skipped and not self._agrees(plain):
            self.n_skipped, self._entered = 0, None

    @torch.no_grad()
    def logits(self, rows, x, positions):
        """Return the logits computed from rows at the hook point, without gradient.

        Parameters
        ----------
        rows : torch.Tensor of shape (q,), dtype int64
            Indices of the prompts, which may repeat.
        x : torch.Tensor of shape (q, n_positions, width)
            Activations to put at the hook point.
        positions : torch.Tensor of shape (q, p), dtype int64
            Positions to return logits for.

        Returns
        -------
        torch.Tensor of shape (q, p, n_vocabulary), float32 or float64
            Logits at `positions`.
        """
        return self.differentiable_logits(rows, x, positions)

    def differentiable_logits(self, rows, x, positions):
        """Return the same as `logits`, differentiable with respect to `x`."""
        places = torch.arange(len(rows), device=positions.device)[:, None], positions
        with self._upward(rows, x), ExitStack() as stack:
            if self._head is not None:
                # Computing logits is often the most expensive step, so do it only where needed.
                head = HookPoint(self._head, "input")
                stack.callback(hook(head, lambda x: x[places]).remove)
            logits = _logits(self._call(rows))
        return at_least_float32(logits if self._head is not None else logits[places])

    @torch.no_grad()
    def read(self, hook_point, rows, x):
        """Return activations at a higher hook point, of shape (q, n_positions, width)."""
        point = find_hook_point(self.model, hook_point)
        with self._upward(rows, x), capture({hook_point: point}) as values:
            self._call(rows)
        return as_rows(values[hook_point], x.shape[:2], hook_point)

    def _call(self, rows):
        return run(self.model, self.ids[rows], None if self.mask is None else self.mask[rows])

    @torch.no_grad()
    def _run_once(self):
        """Store the activations at the hook point and its block's input; return the logits."""
        blocks = self._blocks[: self.n_skipped]
        with _alone(self.model) as stack:
            for index, block in enumerate(blocks):
                keep = block.register_forward_hook(
                    lambda module, args, output, index=index: self._outputs.update({index: output})
                )
                stack.callback(keep.remove)
            if self._entered is not None:
                stack.callback(hook(self._entered, self._keep_input).remove)
            kept = stack.enter_context(capture({self.hook_point: self._point}, stop=False))
            logits = _logits(self._call(slice(None)))
        self._outputs = {
            i: out[1:] if isinstance(out, tuple) else None for i, out in self._outputs.items()
        }
        rows = as_rows(kept[self.hook_point], self.ids.shape, self.hook_point)
        self.hidden = at_least_float32(rows)
        return logits

    def _keep_input(self, value):
        self._input = value.detach().clone()

    def _check_below_head(self):
        if self._head is not None and self._point.module is self._head:
            raise ValueError(
                f"hook_point={self.hook_point!r} is what the metric reads, so nothing above it "
                f"could change; choose a hook point below it, such as 'resid_post.0'"
            )

    def _check_reach(self):
        """Raise ValueError if the logits do not depend on the hook point."""
        rows = torch.zeros(1, dtype=torch.long, device=self.ids.device)
        last = torch.full((1, 1), self.ids.shape[1] - 1, device=self.ids.device)
        with torch.enable_grad():
            x = self.hidden[:1].clone().requires_grad_(True)
            total = self.differentiable_logits(rows, x, last).sum()
            reached = total.requires_grad and (
                torch.autograd.grad(total, x, allow_unused=True)[0] is not None
            )
        if not reached:
            raise ValueError(
                f"hook_point={self.hook_point!r} has no effect on the metric: the logits do not "
                f"depend on it; choose a hook point that they depend on, such as 'resid_post.0'"
            )

    def _agrees(self, plain):
        rows = torch.arange(len(self.ids), device=self.ids.device)
        positions = torch.arange(self.ids.shape[1], device=self.ids.device).expand(len(rows), -1)
        resumed = self.logits(rows, self.hidden, positions)
        difference = (resumed - plain.to(resumed)).abs()
        if self.mask is not None:
            # Padding attends to nothing, and its logits are meaningless in some models.
            difference = difference[self.mask.bool()]
        return bool(difference.max() <= TOLERANCE * plain.abs().max())

    @contextmanager
    def _upward(self, rows, x):
        """Skip the blocks below the hook point and put rows there, inside the block only."""
        with _alone(self.model) as stack:
            for index, block in enumerate(self._blocks[: self.n_skipped]):
                stack.callback(_skip(block, self._outputs[index]))
            if self._entered is not None:
                stack.callback(_put(self._entered, self._input[rows]))
            stack.callback(_put(self._point, x))
            yield


def _output_embeddings(model):
    get = getattr(model, "get_output_embeddings", None)
    return None if get is None else get()


def _blocks(model):
    """Return the blocks of a transformer, or an empty list for a plain module."""
    return list(find_blocks(model)) if hasattr(model, "config") else []


def _split(blocks, point):
    """Return the number of blocks below a hook point, and the input of the block it is in."""
    for index, block in enumerate(blocks):
        if point.module is block:
            return (index if point.side == "input" else index + 1), None
        if any(point.module is module for module in block.modules()):
            return index, HookPoint(block, "input")
    return 0, None


@contextmanager
def _alone(model):
    """Exclude passes of other threads and compiled code; yield a stack for clean-up calls."""
    with one_pass_at_a_time(model), uncompiled(), ExitStack() as stack:
        yield stack


def _skip(block, others):
    """Make a block return its input and its other outputs; return a function that undoes it."""
    scope, plain, before = Scope(), block.forward, vars(block).get("forward")

    def hand_on(*args, **kwargs):
        if not scope.is_here():
            return plain(*args, **kwargs)
        hidden = args[0] if args else kwargs["hidden_states"]
        return hidden if others is None else (hidden, *others)

    block.forward = hand_on

    def undo():
        del block.forward
        if before is not None:
            block.forward = before

    return undo


def _put(point, x):
    """Replace the activations at a hook point by rows; return a function that undoes it."""
    return hook(point, lambda old: x.to(old.dtype).reshape(old.shape)).remove


def _logits(output):
    """Return the logits in the output of a model: an attribute, or the output itself."""
    logits = getattr(output, "logits", output)
    if not torch.is_tensor(logits) or logits.ndim != 3:
        raise ValueError(
            "the model returns no logits of shape (texts, tokens, vocabulary); pass a causal "
            "language model, for example one loaded by AutoModelForCausalLM"
        )
    return logits


def at_least_float32(values):
    """Return float64 values unchanged and all others as float32."""
    return values if values.dtype == torch.float64 else values.float()
