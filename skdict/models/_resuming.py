"""A model run from a hook point upward: what lies below is run once and skipped from then on."""

from contextlib import ExitStack, contextmanager

import torch

from skdict.models._encoders import check_continues_texts
from skdict.models._hook_points import HookPoint, find_blocks, find_hook_point
from skdict.models._hooks import capture, hook
from skdict.models._padding import as_rows, run
from skdict.models._running import Scope, one_pass_at_a_time, uncompiled

TOLERANCE = 1e-3


class ForwardFrom:
    """Fixed prompts, and the model above a place of it.

    The prompts are run once. After that, blocks below the place hand on what they get, and the
    place is given rows in place of its own; the model's own code does everything else, so that
    families need no table. Where this does not give the model's own logits, the whole model is
    run each time with the rows put in.

    Parameters
    ----------
    model : torch.nn.Module
        In evaluation mode.
    hook_point : str
        The place.
    ids : torch.Tensor of shape (n_rows, n_positions), dtype int64
        Token ids, padded on the right.
    mask : torch.Tensor of that shape, or None
        1 where there is a token; None where no row is padded.

    Attributes
    ----------
    hidden : torch.Tensor of shape (n_rows, n_positions, width)
        What goes through the place.
    n_skipped : int
        Blocks that are run once only.

    Raises
    ------
    ValueError
        If the place gives no row for each token, the model no logits, or these do not depend
        on the place.
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
        """Return the logits that follow from rows at the place, without gradient.

        Parameters
        ----------
        rows : torch.Tensor of shape (q,), dtype int64
            Which prompts; one may come several times.
        x : torch.Tensor of shape (q, n_positions, width)
            What goes through the place.
        positions : torch.Tensor of shape (q, p), dtype int64
            Where to read.

        Returns
        -------
        torch.Tensor of shape (q, p, n_vocabulary), float32 or float64
        """
        return self.differentiable_logits(rows, x, positions)

    def differentiable_logits(self, rows, x, positions):
        """Return the same as `logits`, with the gradient of `x`."""
        places = torch.arange(len(rows), device=positions.device)[:, None], positions
        with self._upward(rows, x), ExitStack() as stack:
            if self._head is not None:
                # The output matrix is often the dearest of all; it is needed at few positions.
                head = HookPoint(self._head, "input")
                stack.callback(hook(head, lambda x: x[places]).remove)
            logits = _logits(self._call(rows))
        return at_least_float32(logits if self._head is not None else logits[places])

    @torch.no_grad()
    def read(self, hook_point, rows, x):
        """Return what rows at the place make of a place further up, (q, n_positions, width)."""
        point = find_hook_point(self.model, hook_point)
        with self._upward(rows, x), capture({hook_point: point}) as values:
            self._call(rows)
        return as_rows(values[hook_point], x.shape[:2], hook_point)

    def _call(self, rows):
        return run(self.model, self.ids[rows], None if self.mask is None else self.mask[rows])

    @torch.no_grad()
    def _run_once(self):
        """Keep what goes through the place and into its block; return the logits."""
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
                f"could change; choose a place below it, such as 'resid_post.0'"
            )

    def _check_reach(self):
        """Refuse a place that the logits do not depend on."""
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
                f"hook_point={self.hook_point!r} is out of the metric's reach: the logits do not "
                f"depend on it; choose a place that they are made from, such as 'resid_post.0'"
            )

    def _agrees(self, plain):
        rows = torch.arange(len(self.ids), device=self.ids.device)
        positions = torch.arange(self.ids.shape[1], device=self.ids.device).expand(len(rows), -1)
        resumed = self.logits(rows, self.hidden, positions)
        difference = (resumed - plain.to(resumed)).abs()
        if self.mask is not None:
            # Rows of padding see nothing and are of no meaning in some models.
            difference = difference[self.mask.bool()]
        return bool(difference.max() <= TOLERANCE * plain.abs().max())

    @contextmanager
    def _upward(self, rows, x):
        """Have the model skip what is below the place, and put rows in; undone at the end."""
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
    """Return the blocks of a transformer; nothing for a plain module."""
    return list(find_blocks(model)) if hasattr(model, "config") else []


def _split(blocks, point):
    """Return how many blocks lie below a place, and the input of the block around it, or None."""
    for index, block in enumerate(blocks):
        if point.module is block:
            return (index if point.side == "input" else index + 1), None
        if any(point.module is module for module in block.modules()):
            return index, HookPoint(block, "input")
    return 0, None


@contextmanager
def _alone(model):
    """Keep passes of other threads out, and compiled code; give a stack for what to undo."""
    with one_pass_at_a_time(model), uncompiled(), ExitStack() as stack:
        yield stack


def _skip(block, others):
    """Have a block hand on its input, with its other outputs; return what undoes it."""
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
    """Have rows take the place of what goes through a place; return what undoes it."""
    return hook(point, lambda old: x.to(old.dtype).reshape(old.shape)).remove


def _logits(output):
    """Return the logits of a model's output: an attribute, or the tensor itself."""
    logits = getattr(output, "logits", output)
    if not torch.is_tensor(logits) or logits.ndim != 3:
        raise ValueError(
            "the model gives no logits of shape (texts, tokens, vocabulary); pass a causal "
            "language model, such as AutoModelForCausalLM loads"
        )
    return logits


def at_least_float32(values):
    """Return values as float64 if they are, else as float32."""
    return values if values.dtype == torch.float64 else values.float()
