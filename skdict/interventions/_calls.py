"""Which positions of which texts a forward pass is about."""

from contextlib import ExitStack, contextmanager

import torch


class CallTracker:
    """Knows, while a model runs, which columns of its texts it is given.

    With a key-value cache, a pass sees new columns alone: where they start is asked of the
    cache. Padding is known by the attention mask, so that a text padded on the left starts at
    its first token.
    """

    def __init__(self):
        self.start, self.positions = 0, None
        self._running = self._read = False

    @contextmanager
    def following(self, model):
        """Follow the passes of a model inside the block."""
        with ExitStack() as stack:
            # Both, as either may be what is run, and some models pass the inner one by.
            for module in {model, getattr(model, "base_model", model)}:
                handle = module.register_forward_pre_hook(self._before, with_kwargs=True)
                stack.callback(handle.remove)
            stack.callback(model.register_forward_hook(self._after, always_call=True).remove)
            yield

    def _before(self, module, args, kwargs):
        cache = kwargs.get("past_key_values")
        given = kwargs.get("input_ids", args[0] if args else None)
        given = kwargs.get("inputs_embeds") if given is None else given
        self.start = int(cache.get_seq_length()) if hasattr(cache, "get_seq_length") else 0
        self.positions, self._running, self._read = None, True, False
        if torch.is_tensor(given) and given.ndim > 1:
            self.positions = _positions(kwargs.get("attention_mask"), given.shape[:2], self.start)

    def _after(self, module, args, output):
        self._running = False

    def read_once(self, hook_point):
        """Refuse a place that is passed twice in one pass (`ValueError`)."""
        if self._running and self._read:
            raise ValueError(
                f"hook_point={hook_point!r} is a module that runs more than once in a forward "
                f"pass; choose one that runs once"
            )
        self._read = True

    def positions_of(self, value):
        """Return the position of each token within its text, (texts, tokens); -1 is padding.

        Parameters
        ----------
        value : torch.Tensor
            What a module gave: (texts, tokens, width), or flattened (texts * tokens, width).

        Raises
        ------
        ValueError
            If it does not hold one row for each token.
        """
        positions = self.positions
        if positions is None or (not self._running and value.shape[:2] != positions.shape):
            # A part of the model is run by itself: its input starts at the first position.
            self.start = 0
            positions = _positions(None, value.shape[:2] if value.ndim == 3 else (1, len(value)), 0)
        texts, tokens = positions.shape
        flat = value.ndim == 2 and len(value) == texts * tokens
        if not flat and (value.ndim != 3 or value.shape[:2] != (texts, tokens)):
            raise ValueError(
                f"the module at the hook point gave shape {tuple(value.shape)} where "
                f"({texts}, {tokens}, width) is due for {texts} texts of {tokens} tokens; choose "
                f"a module that runs once for each token"
            )
        return positions.to(value.device)


def _positions(mask, shape, start):
    columns = slice(start, start + shape[1])
    if torch.is_tensor(mask) and mask.ndim == 2 and mask.shape[1] >= columns.stop:
        mask = mask.long()
        return (mask.cumsum(dim=1) * mask - 1)[:, columns].expand(shape)
    return torch.arange(columns.start, columns.stop).expand(shape)


def register_rewriting(point, rewrite):
    """Replace what goes through a place by what `rewrite` makes of it; returns the handle.

    Parameters
    ----------
    point : HookPoint
        The place.
    rewrite : callable
        Tensor to tensor.
    """
    if point.side == "output":
        return point.module.register_forward_hook(
            lambda module, args, output: _with_first(output, rewrite)
        )

    def before(module, args, kwargs):
        if args:
            return (rewrite(args[0]), *args[1:]), kwargs
        return args, kwargs | {"hidden_states": rewrite(kwargs["hidden_states"])}

    return point.module.register_forward_pre_hook(before, with_kwargs=True)


def _with_first(output, rewrite):
    """Return what a module gave with its first tensor rewritten."""
    if torch.is_tensor(output):
        return rewrite(output)
    if hasattr(output, "to_tuple"):
        name = next(iter(output))
        return type(output)(**{**output, name: rewrite(output[name])})
    if isinstance(output, tuple) and output and torch.is_tensor(output[0]):
        return (rewrite(output[0]), *output[1:])
    raise ValueError(
        f"the module at the hook point gave {type(output).__name__}, not a tensor; choose a "
        f"module that gives one row for each token"
    )
