"""How hook points write to the residual stream, and the norms through which they read it."""

from typing import NamedTuple

import torch
from torch import nn

from skdict.models._block_sums import block_values, is_close, is_plain_sum
from skdict.models._encoders import encoder_of
from skdict.models._hook_points import (
    find_blocks,
    find_hook_point,
    norms_of,
    runs_in_parallel,
)
from skdict.models._placement import input_device
from skdict.models._resuming import at_least_float32
from skdict.models._running import evaluation_mode, hooks_at_rest, one_pass_at_a_time
from skdict.models._verification import verify_found

# Twice the block, plus these: how much of the stream a hook point sees or is seen by.
READ_AT = {"resid_pre": 0, "resid_mid": 1, "mlp_in": 1, "resid_post": 2}
WRITTEN_AT = {"resid_pre": 0, "attn_out": 1, "resid_mid": 1, "mlp_out": 2, "resid_post": 2}
# Size of the numbers that a norm is probed with: its epsilon is negligible beside their squares.
PROBE_SIZE = 1024
# An RMSNorm changes its output by more than this if a constant of PROBE_SIZE is added to a row.
CENTERED = 0.1


class StreamNorm(NamedTuple):
    r"""Norm before a hook point: a linear map of the residual stream, times a number per row.

    .. math:: N(x) = s(x) \, g \circ P x + b

    P subtracts the mean of the row in a LayerNorm, and changes nothing in an RMSNorm. s(x) is one
    divided by the root mean square of P x.

    Parameters
    ----------
    module : torch.nn.Module
        The norm.
    gain : torch.Tensor of shape (d,)
        Gain g, float32 or float64.
    bias : torch.Tensor of shape (d,)
        Bias b, which is zero in an RMSNorm.
    centers : bool
        True if P subtracts the mean.
    """

    module: nn.Module
    gain: torch.Tensor
    bias: torch.Tensor
    centers: bool

    def map(self, rows):
        """Return the linear part of the norm, g * P x, of rows (..., d)."""
        rows = rows.to(self.gain)
        return self.gain * (_centred(rows) if self.centers else rows)

    def fold(self, directions):
        """Return directions (m, d) with equal products with x as these have with `map(x)`."""
        scaled = directions * self.gain.to(directions)
        return _centred(scaled) if self.centers else scaled

    def scales(self, before, after):
        """Return s(x) of rows (..., d), from the input and the output of the norm.

        It is 0 where P x is 0, so that N(x) is b whatever s(x) may be.
        """
        mapped, changed = self.map(before), after.to(self.gain) - self.bias
        squares = mapped.square().sum(dim=-1)
        return (mapped * changed).sum(dim=-1) / squares.clamp(min=torch.finfo(squares.dtype).tiny)


def _centred(rows):
    return rows - rows.mean(dim=-1, keepdim=True)


def residual_stream_width(model, upper, lower):
    """Return the width of the residual stream, in which one hook point reads what another writes.

    Parameters
    ----------
    model : PreTrainedModel
        Model that has the hook points.
    upper, lower : str
        Hook point that reads the residual stream, and hook point that is part of it.

    Returns
    -------
    int
        Width of the residual stream.

    Raises
    ------
    ValueError
        If a hook point does not exist, does not read or write the residual stream, or `upper` is
        reached first; or if norms follow the sums of the blocks, so that the residual stream is
        not a sum of what was written.
    """
    for name, levels, does in ((upper, READ_AT, "read"), (lower, WRITTEN_AT, "write to")):
        find_hook_point(model, name)
        if name.partition(".")[0] not in levels:
            raise ValueError(
                f"hook_point={name!r} does not {does} the residual stream of all later blocks; "
                f"pass {', '.join(levels)} with '.<block>'"
            )
    # In blocks that run in parallel, the MLP does not read what the attention writes.
    moved = {"mlp_in": -1, "attn_out": 1} if runs_in_parallel(model) else {}
    if _level(upper, READ_AT, moved) < _level(lower, WRITTEN_AT, moved):
        raise ValueError(
            f"{upper!r} is reached before {lower!r} is written, so nothing at {lower!r} feeds it; "
            f"pass the hook point of the upper dictionary first"
        )
    for name in (upper, lower):
        values = _block_of(model, name)
        if not is_plain_sum(values):
            raise ValueError(
                f"the residual stream of {type(model).__name__} is not the sum of what its blocks "
                f"write, so weights do not determine what reaches {upper!r}; ablate features "
                f"instead, with find_circuit or intervene"
            )
    return values["resid_pre"].shape[-1]


def norm_before(model, name):
    """Return the norm through which a hook point reads the residual stream, or None.

    The norm is recognised by what it does: its input is the residual stream and its output the
    activations at the hook point.

    Raises
    ------
    ValueError
        If there is another module than an RMSNorm or a LayerNorm in between.
    """
    if not name.startswith("mlp_in"):
        return None
    values = _block_of(model, name)
    stream, read = values["resid_pre"], values["mlp_in"]
    if not runs_in_parallel(model):
        stream = stream + values["attn_out"]
    if is_close(read, stream, stream, values):
        return None
    block = find_blocks(model)[int(name.partition(".")[2])]
    for number, module in enumerate(norms_of(block)):
        before, after = values.get((number, "input")), values.get((number, "output"))
        if after is None or not torch.equal(after, read):
            continue
        norm = probed_norm(module, before)
        mapped = norm.map(before)
        expected = norm.bias + norm.scales(before, after)[..., None] * mapped
        if is_close(before, stream, stream, values) and is_close(after, expected, after, values):
            return norm
    raise ValueError(
        f"hook_point={name!r} of {type(model).__name__} does not read the residual stream through "
        f"an RMSNorm or a LayerNorm, so nothing can be folded into the encoder; ablate features "
        f"instead, with find_circuit or intervene"
    )


def _level(name, levels, moved):
    kind, _, block = name.partition(".")
    return 2 * int(block) + levels[kind] + moved.get(kind, 0)


@torch.inference_mode()
def _block_of(model, name):
    """Return the values of the block of a hook point on a few tokens, as `block_values`."""
    verify_found(model, ["mlp_out.0", name])
    block = find_blocks(model)[int(name.partition(".")[2])]
    kinds = ("mlp_in",) if name.startswith("mlp_in") else ()
    ids = torch.arange(8, device=input_device(model))[None]
    with hooks_at_rest(), one_pass_at_a_time(model), evaluation_mode(model):
        return block_values(encoder_of(model), block, ids, *kinds)


@torch.inference_mode()
def probed_norm(module, rows):
    """Return a norm as a `StreamNorm`, from its outputs for rows of known mean and length."""
    row = PROBE_SIZE * torch.ones_like(rows[0, 0])
    row[1::2] *= -1
    if len(row) % 2:
        row[-3:] = PROBE_SIZE * row.new_tensor([1, 1, -2])
    weight = next(module.parameters(), row)
    probes = torch.stack([row, -row, row + PROBE_SIZE])[None].to(weight)
    with hooks_at_rest():
        plus, minus, moved = at_least_float32(module(probes))[0]
    gain = (plus - minus) / 2 * row.square().mean().sqrt() / row
    centers = (moved - plus).norm() < CENTERED * plus.norm()
    return StreamNorm(module, gain, (plus + minus) / 2, bool(centers))
