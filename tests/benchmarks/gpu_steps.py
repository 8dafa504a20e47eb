"""Training steps to be compared on a GPU: ours, a compiled plain loop, and sparsify's."""

from contextlib import nullcontext

import torch
from methods import Sparsify

from skdict._core import (
    L1,
    NONLINEARITIES,
    Stack,
    TargetL0,
    Trainer,
    calibrate_bias,
    random_tensors,
)

ALPHA, RATE = 0.1, 1e-6
# By default, only "relu" has tied weights.
TIED = ("relu",)
# Width of the window of JumpReLU's thresholds.
BANDWIDTH = 0.1


def new_trainer(activation, shape, dtype, *, silent_steps=None, seed=0):
    """Return a trainer on the device of a `Shape` whose products are rounded to a dtype.

    The rate is tiny, so that the state hardly changes while it is timed.
    """
    k = [shape.k] if activation in ("topk", "batch_topk") else []
    nonlinearity = NONLINEARITIES[activation](*k)
    tensors = random_tensors(
        shape.n_components,
        shape.width,
        tied=activation in TIED,
        nonlinearity=nonlinearity,
        generator=torch.Generator().manual_seed(seed),
        dtype=torch.float32,
        device=shape.device,
    )
    sample = new_rows(shape)[:1024]
    share = min(0.03, shape.k / shape.n_components)
    tensors.bias.copy_(calibrate_bias(tensors.encoder, sample, share))
    nonlinearity.calibrate(tensors, sample)
    return Trainer(
        tensors,
        nonlinearity,
        TargetL0(shape.k) if activation == "jumprelu" else L1(ALPHA if not k else 0.0),
        learning_rate=RATE,
        batch_size=shape.n_rows,
        product_dtype=dtype,
        silent_steps=silent_steps,
    )


def new_stack(activation, shape, dtype, n_stacked):
    """Return the step of several dictionaries at once."""
    trainers = [new_trainer(activation, shape, dtype, seed=seed) for seed in range(n_stacked)]
    return Stack(trainers)


def new_rows(shape):
    """Return random rows with a mean square norm of one."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(shape.n_rows, shape.width, generator=generator) / shape.width**0.5
    return rows.to(shape.device)


class PlainStep:
    """What one writes first: the same objective by autograd and torch's fused Adam, compiled.

    Parameters
    ----------
    activation : {"relu", "topk", "batch_topk", "jumprelu"}
        Activation.
    shape : Shape
        Sizes and device.
    dtype : torch.dtype
        Data type of matrix products; bfloat16 by autocast.
    compiles : bool, default=True
        If False, the loss is not compiled.
    """

    def __init__(self, activation, shape, dtype, *, compiles=True):
        tensors = new_trainer(activation, shape, dtype).tensors
        self._tensors = {name: t.requires_grad_() for name, t in tensors.items()}
        self._tensors.pop("bandwidths", None)
        self._k, self._activation, self._dtype = shape.k, activation, dtype
        self._adam = torch.optim.Adam(self._tensors.values(), lr=RATE, fused=True)
        self._loss = torch.compile(self._loss_of) if compiles else self._loss_of

    def step(self, x):
        """Train on a batch."""
        with _autocast(x.device, self._dtype):
            loss = self._loss(x)
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        components = self._tensors["components"]
        with torch.no_grad():
            components /= components.norm(dim=1, keepdim=True)

    def _loss_of(self, x):
        components = self._tensors["components"]
        encoder = self._tensors.get("encoder", components)
        pre = x @ encoder.T + self._tensors["bias"]
        codes, penalty = getattr(self, f"_{self._activation}")(pre)
        return (codes @ components - x).square().sum(1).mean() + penalty

    def _relu(self, pre):
        codes = torch.relu(pre)
        return codes, ALPHA * codes.sum(1).mean()

    def _topk(self, pre):
        top = torch.relu(pre).topk(self._k, dim=1, sorted=False)
        return torch.zeros_like(pre).scatter(1, top.indices, top.values), 0

    def _batch_topk(self, pre):
        top = torch.relu(pre).flatten().topk(self._k * len(pre), sorted=False)
        codes = torch.zeros_like(pre).flatten().scatter(0, top.indices, top.values)
        return codes.view_as(pre), 0

    def _jumprelu(self, pre):
        codes, fires = _Jump.apply(pre, self._tensors["thresholds"])
        return codes, (fires.sum(1).mean() / self._k - 1) ** 2


class _Jump(torch.autograd.Function):
    """JumpReLU and its step function, with straight-through gradients for thresholds."""

    @staticmethod
    def forward(ctx, pre, thresholds):
        ctx.save_for_backward(pre, thresholds)
        fires = (pre > thresholds).to(pre.dtype)
        return pre * fires, fires

    @staticmethod
    def backward(ctx, slopes, gates):
        pre, thresholds = ctx.saved_tensors
        inside = ((pre - thresholds).abs() < BANDWIDTH / 2) & (pre > 0)
        along = torch.where(inside, -(thresholds * slopes + gates) / BANDWIDTH, 0)
        return slopes * (pre > thresholds), along.sum(0).to(thresholds.dtype)


def new_plain_step(activation, shape, dtype):
    """Return the name and step of a plain loop, which is not compiled where that fails."""
    plain = PlainStep(activation, shape, dtype)
    try:
        plain.step(new_rows(shape))
    except torch._dynamo.exc.TorchDynamoException as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:60]
        plain = PlainStep(activation, shape, dtype, compiles=False)
        return f"plain loop, NOT compiled ({reason})", plain.step
    return "plain loop, compiled", plain.step


def new_sparsify_step(shape):
    """Return sparsify's step with Adam; on a GPU its forward pass is in bfloat16 in any case."""
    size = shape.width, shape.n_components, shape.n_rows
    options = {"k": shape.k, "optimizer": "adam", "learning_rate": RATE}
    return Sparsify(*size, device=shape.device, **options).step


def _autocast(device, dtype):
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)
