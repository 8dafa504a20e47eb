"""AuxK has the gradient of autograd, which reaches decoder, encoder and biases of dead features."""

import sys
from pathlib import Path

import pytest
import torch

from skdict._core import L1
from skdict._core._adam import Adam
from skdict._core._model import Model
from skdict._core._nonlinearities import BatchTopK, TopK
from skdict._core._objectives import Levels, whole
from skdict._core._screening.bounds import Screen
from skdict._core._step import take_step

sys.path.insert(0, str(Path(__file__).parent))
from reference_step import (
    WAYS,
    assert_gradients,
    make_backend,
    make_rows,
    make_tensors,
    make_weights,
)

N, M, D, K = 60, 40, 8, 5


def plain_loss(x, leaves, tied, weights, levels, dead, eligible, kind):
    """Return the loss by autograd: nested squared errors, and the term for dead features."""
    components = leaves["components"] / leaves["components"].norm(dim=1, keepdim=True)
    encoder = components if tied else leaves["encoder"]
    pre = x @ encoder.T + leaves["bias"]
    positive = pre.clamp(min=0)
    if kind is TopK:
        least = positive.topk(K, dim=1).values[:, -1:]
    else:
        least = positive[eligible].flatten().topk(K * int(eligible.sum())).values[-1]
    codes = positive * (positive >= least)
    loss = 0
    for end, weight in zip(*levels, strict=True):
        residual = x - codes[:, :end] @ components[:end]
        loss = loss + weight * (weights * residual.square().sum(1)).mean()
    residual = residual.detach()
    candidates = positive[:, dead]
    top = candidates.topk(min(D // 2, int(dead.sum())), dim=1)
    kept = torch.zeros_like(candidates).scatter(1, top.indices, top.values)
    missing = (residual - kept @ components[dead]).square().sum(1)
    mean = (weights[:, None] * residual).sum(0) / weights.sum()
    deviations = (residual - mean).square().sum(1)
    return loss + (weights * missing).sum() / (weights * deviations).sum() / 32


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", [TopK, BatchTopK])
@pytest.mark.parametrize("n_dead", [3, 17, 40])
@pytest.mark.parametrize("ends", [(M,), (9, M)], ids=["whole", "prefixes"])
def test_gradient_equals_autograd(ends, n_dead, kind, tied, way):
    x, weights = make_rows(N, D), make_weights(N)
    tensors = make_tensors(M, D, tied, 0.0)
    levels = whole(M) if len(ends) == 1 else Levels(ends, (0.3, 0.7))
    dead = torch.arange(M) % (M // n_dead) == 0 if n_dead < M else torch.ones(M, dtype=torch.bool)
    leaves = {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}
    loss = plain_loss(x, leaves, tied, weights, levels, dead, weights == 1, kind)
    gradients = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
    adam = Adam(tensors)
    model = Model(tensors, kind(K), L1(0.0), levels)
    backend = make_backend(way, N, x.dtype)
    screen = Screen(tensors.encoder, tensors.bias, "full")
    take_step(backend, model, adam, x, weights, N, 0.0, screen, dead)
    assert_gradients(adam, gradients)


@pytest.mark.parametrize("way", WAYS)
def test_it_moves_every_tensor_of_dead_features_and_no_other(way):
    x = make_rows(N, D)
    moved = {}
    for with_dead in (False, True):
        tensors = make_tensors(M, D, False, 0.0)
        tensors.bias[:4] = -50.0
        tensors.bias[2:4] = 0.0
        dead = torch.zeros(M, dtype=torch.bool)
        dead[2:4] = with_dead
        adam = Adam(tensors)
        model = Model(tensors, TopK(K), L1(0.0), whole(M))
        screen = Screen(tensors.encoder, tensors.bias, "full")
        weights = x.new_ones(N)
        take_step(make_backend(way, N, x.dtype), model, adam, x, weights, N, 0.0, screen, dead)
        moved[with_dead] = adam.first
    for name in ("components", "encoder", "bias"):
        change = (moved[True][name] - moved[False][name]).reshape(M, -1).abs().amax(1)
        assert (change[2:4] > 0).all()
        assert (change[4:] == 0).all()
        assert (change[:2] == 0).all()


def test_nothing_dead_costs_nothing():
    x, results = make_rows(N, D), []
    for dead in (None, torch.zeros(M, dtype=torch.bool)):
        tensors = make_tensors(M, D, True, 0.0)
        adam = Adam(tensors)
        model = Model(tensors, TopK(K), L1(0.0), whole(M))
        weights = x.new_ones(N)
        take_step(make_backend("dense", N, x.dtype), model, adam, x, weights, N, 0.0, None, dead)
        results.append(adam.first)
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])
