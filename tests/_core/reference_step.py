"""A step by autograd, and ours, on tensors made for tests."""

import torch

from skdict._core import L1, Tensors
from skdict._core._adam import Adam
from skdict._core._backends import Compiled, Dense, Portable, is_compiled
from skdict._core._model import Model
from skdict._core._nonlinearities import Relu
from skdict._core._objectives import whole
from skdict._core._products import multiplier
from skdict._core._screening.bounds import Screen
from skdict._core._step import take_step

WAYS = ["dense", "portable"] + ["compiled"] * is_compiled()
# What Adam keeps of the first gradient.
KEPT = 0.1


def make_tensors(m, d, tied, bias, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    components = torch.randn(m, d, generator=generator, dtype=torch.float64)
    components /= components.norm(dim=1, keepdim=True)
    encoder = torch.randn(m, d, generator=generator, dtype=torch.float64).to(dtype)
    values = {"components": components.to(dtype)}
    if not tied:
        values["encoder"] = encoder
    values["bias"] = torch.full((m,), bias, dtype=dtype)
    return Tensors(values)


def make_rows(n, d, seed=1, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def make_weights(n, dtype=torch.float64):
    """Return weights of rows as outliers have them: some 1, some far below."""
    generator = torch.Generator().manual_seed(5)
    return (3 * torch.rand(n, generator=generator, dtype=torch.float64)).clamp(max=1).to(dtype)


def autograd(x, tensors, alpha, weights, levels=None, activation=torch.relu):
    """Return the loss, gradients by name with rows normalised inside the graph, and the codes."""
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    components = leaves["components"] / leaves["components"].norm(dim=1, keepdim=True)
    encoder = components if tensors.tied else leaves["encoder"]
    codes = activation(x @ encoder.T + leaves["bias"])
    levels = levels or whole(len(components))
    losses = alpha * codes.sum(1)
    for end, weight in zip(*levels, strict=True):
        losses = losses + weight * (x - codes[:, :end] @ components[:end]).square().sum(1)
    loss = (weights * losses).mean()
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    return loss, dict(zip(leaves, gradients, strict=True)), codes


def make_backend(way, n, dtype):
    if way == "dense":
        return Dense(multiplier(dtype, dtype, torch.device("cpu")), n)
    return Compiled() if way == "compiled" else Portable()


def step(
    way, x, tensors, alpha, rate=0.0, kind="full", weights=None, levels=None, nonlinearity=None
):
    """Take one step; return the sums and Adam."""
    adam = Adam(tensors)
    weights = x.new_ones(len(x)) if weights is None else weights
    nonlinearity = nonlinearity or Relu()
    model = Model(tensors, nonlinearity, L1(alpha), levels or whole(len(tensors.bias)))
    screen = Screen(tensors.encoder, tensors.bias, kind)
    backend = make_backend(way, len(x) + 3, x.dtype)
    return take_step(backend, model, adam, x, weights, len(x), rate, screen), adam


def assert_gradients(adam, gradients):
    for name, kept in adam.first.items():
        reference = gradients[name]
        reference = torch.zeros_like(kept) if reference is None else reference
        torch.testing.assert_close(kept / KEPT, reference, rtol=1e-9, atol=1e-11)
