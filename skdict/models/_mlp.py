"""The MLP of a block as a module of its own: its hidden activations and its output weights."""

from typing import NamedTuple

import torch
from torch import nn

from skdict.models._hook_points import HookPoint, find_hook_point
from skdict.models._hooks import capture
from skdict.models._padding import run
from skdict.models._placement import input_device
from skdict.models._resuming import at_least_float32
from skdict.models._running import evaluation_mode, hooks_at_rest
from skdict.models._verification import verify_found

TOLERANCE = 1e-3
KINDS = "mlp_in", "mlp_act", "mlp_out"
INSTEAD = "compare dictionaries of mlp_act instead"


class MLP(NamedTuple):
    """MLP of a block.

    Parameters
    ----------
    module : torch.nn.Module
        Module that reads "mlp_in" and returns "mlp_out".
    last : torch.nn.Module
        Its last matrix, which reads "mlp_act".
    width : int
        Width of the rows that it reads.
    """

    module: nn.Module
    last: nn.Module
    width: int

    def hidden(self, rows):
        """Return the hidden activations of rows, as a tensor on the CPU.

        Parameters
        ----------
        rows : torch.Tensor of shape (n, width)
            Rows of "mlp_in", which are computed in the dtype of the weights.

        Returns
        -------
        torch.Tensor of shape (n, n_neurons), float32 or float64
        """
        weight = self.last.weight
        with torch.no_grad(), hooks_at_rest(), evaluation_mode(self.module):
            # If this pass ended early, hooks would take the pass of the whole model, in which it
            # may be nested, as ended.
            with capture({"mlp_act": HookPoint(self.last, "input")}, stop=False) as values:
                self.module(rows.to(weight.device, weight.dtype)[None])
        return at_least_float32(values["mlp_act"].reshape(len(rows), -1)).cpu()

    def weights(self):
        """Return copies of the output weights (n_neurons, d_out) and of the output bias (d_out,).

        Raises
        ------
        ValueError
            If the last matrix is quantized or has an adapter.
        """
        weight = self.last.weight.detach()
        transposed = type(self.last).__name__ == "Conv1D"
        if transposed or isinstance(self.last, nn.Linear):
            weight = weight if transposed else weight.T
            bias = self.last.bias
            bias = weight.new_zeros(weight.shape[1]) if bias is None else bias.detach()
            if self._are_used(weight, bias):
                return [at_least_float32(value).cpu().numpy().copy() for value in (weight, bias)]
        raise ValueError(
            f"the last matrix of the MLP is {type(self.last).__name__}, whose weights cannot be "
            f"read; load the model without quantization, or merge its adapter"
        )

    def _are_used(self, weight, bias):
        """Return True if the last matrix maps rows as its weights say."""
        if not weight.is_floating_point():
            return False
        rows = torch.linspace(-1, 1, len(weight)).to(weight)[None]
        with torch.no_grad(), hooks_at_rest():
            output = self.last(rows)
        expected = rows @ weight + bias
        return _is_close(output, expected)


def find_mlp(model, block):
    """Return the MLP of a block, after a check that it can be run on rows alone.

    Parameters
    ----------
    model : PreTrainedModel
        Transformer with a list of blocks.
    block : int
        Block, counted from 0.

    Returns
    -------
    MLP

    Raises
    ------
    ValueError
        If the block or its MLP does not exist, a norm follows its last matrix, it is not one
        module, or it does not return the rows of "mlp_out" for those of "mlp_in" alone.
    """
    points = {kind: find_hook_point(model, f"{kind}.{block}") for kind in KINDS}
    verify_found(model, [f"{kind}.{block}" for kind in KINDS])
    module, last = points["mlp_in"].module, points["mlp_act"].module
    name = type(model).__name__
    if last is not points["mlp_out"].module:
        raise ValueError(
            f"in {name}, a norm follows the last matrix of the MLP, so its neurons have no fixed "
            f"effect on mlp_out; {INSTEAD}"
        )
    if last not in set(module.modules()):
        raise ValueError(
            f"the MLP of {name} is not one module, so it cannot be run on rows of mlp_in alone; "
            f"{INSTEAD}"
        )
    return MLP(module, last, _check_runs_alone(model, module, points))


def _check_runs_alone(model, module, points):
    """Return the width of the rows that an MLP reads, after comparing it with the model."""
    ids = torch.arange(8, device=input_device(model))[None]
    with torch.no_grad(), hooks_at_rest(), evaluation_mode(model):
        with capture(points) as values:
            run(model, ids)
        try:
            alone = module(values["mlp_in"])
        except TypeError as error:
            raise ValueError(
                f"{type(module).__name__} cannot be run on rows of mlp_in alone ({error}); "
                f"{INSTEAD}"
            ) from error
    expected = values["mlp_out"]
    if not _is_close(alone, expected):
        raise ValueError(
            f"{type(module).__name__} does not return the rows of mlp_out for those of mlp_in "
            f"alone; {INSTEAD}"
        )
    return values["mlp_in"].shape[-1]


def _is_close(value, expected):
    tolerance = max(TOLERANCE, 4 * torch.finfo(expected.dtype).eps)
    return bool((value - expected).abs().max() <= tolerance * expected.abs().max())
