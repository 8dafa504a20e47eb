"""Steps of JumpReLU have the stated straight-through gradients, on every back end."""

import sys
from pathlib import Path

import pytest
import torch

from skdict._core import L0, NONLINEARITIES, TargetL0, Tensors
from skdict._core._adam import Adam
from skdict._core._codes import DenseCodes
from skdict._core._model import Model
from skdict._core._nonlinearities import JumpRelu
from skdict._core._nonlinearities.jumprelu import BANDWIDTH
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


class Jump(torch.autograd.Function):
    """Returns codes and gates of (p, theta, epsilon) with the gradients of the formulas."""

    @staticmethod
    def forward(ctx, pre, thresholds, bandwidths):
        ctx.save_for_backward(pre, thresholds, bandwidths)
        gates = (pre > thresholds).to(pre)
        return pre * gates, gates

    @staticmethod
    def backward(ctx, along_codes, along_gates):
        pre, thresholds, bandwidths = ctx.saved_tensors
        window = ((pre - thresholds) / bandwidths).abs() < 0.5
        window = window & (pre > 0)
        for_thresholds = -(thresholds / bandwidths) * window * along_codes
        for_thresholds = for_thresholds - window / bandwidths * along_gates
        return along_codes * (pre > thresholds), for_thresholds.sum(0), None


def make_jumping(m, d, tied, bias, width):
    """Return tensors with thresholds of several sizes, some at zero."""
    tensors = make_tensors(m, d, tied, bias)
    thresholds = torch.linspace(0, 1.5, m, dtype=torch.float64)
    bandwidths = torch.full((m,), width, dtype=torch.float64)
    return Tensors({**tensors, "thresholds": thresholds, "bandwidths": bandwidths})


def autograd(x, tensors, penalty, weights, levels):
    """Return the loss, gradients by name, codes and how many inactive entries carry some."""
    leaves = {name: tensors[name].clone().requires_grad_() for name in tensors.trained}
    components = leaves["components"] / leaves["components"].norm(dim=1, keepdim=True)
    encoder = components if tensors.tied else leaves["encoder"]
    pre = x @ encoder.T + leaves["bias"]
    codes, gates = Jump.apply(pre, leaves["thresholds"], tensors["bandwidths"])
    losses = sum(
        weight * (x - codes[:, :end] @ components[:end]).square().sum(1)
        for end, weight in zip(*levels, strict=True)
    )
    loss = (weights * losses).mean() + penalty((weights * gates.sum(1)).mean())
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    low = tensors["thresholds"] - tensors["bandwidths"] / 2
    silent = (pre > low) & (pre > 0) & (pre <= tensors["thresholds"])
    return loss, dict(zip(leaves, gradients, strict=True)), codes, int(silent.sum())


PENALTIES = {
    "alpha": (L0(0.01), lambda l0: 0.01 * l0),
    "target": (TargetL0(5.0), lambda l0: (l0 / 5 - 1) ** 2),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("ends", [(40,), (9, 40)], ids=["whole", "prefixes"])
@pytest.mark.parametrize("width", [0.4, 3.0])
def test_gradient_is_that_of_the_formulas(width, ends, penalty, tied, way):
    x, weights = make_rows(60, 8), make_weights(60)
    tensors = make_jumping(40, 8, tied, -0.5, width)
    term, plain = PENALTIES[penalty]
    levels = whole(40) if len(ends) == 1 else Levels(ends, (0.3, 0.7))
    loss, gradients, codes, n_silent = autograd(x, tensors, plain, weights, levels)
    assert n_silent > 20
    adam = Adam(tensors)
    assert set(adam.first) == set(gradients)
    backend = make_backend(way, 63, x.dtype)
    screen = Screen(tensors.encoder, tensors.bias, "full")
    model = Model(tensors, JumpRelu(), term, levels)
    sums = take_step(backend, model, adam, x, weights, 60, 0.0, screen)
    assert sums.n_fired.tolist() == (codes != 0).sum(0).tolist()
    assert_gradients(adam, gradients)
    if len(ends) == 1 and penalty == "alpha":
        total = (weights * (sums.squared_errors + sums.penalties)).mean()
        assert total.item() == pytest.approx(loss.item())


@pytest.mark.parametrize("theta", [0.3, 1.0])
def test_thresholds_follow_the_smoothed_loss(theta):
    # Pre-activations of uniform density: sums over the window are then integrals. The estimate
    # must be the slope of the expectations E[H] and E[c], found by finite differences.
    n, bandwidth, step = 400_001, 0.2, 0.05
    pre = torch.linspace(-1, 3, n, dtype=torch.float64)[:, None]
    learned = {
        "thresholds": torch.tensor([theta], dtype=torch.float64),
        "bandwidths": torch.tensor([bandwidth], dtype=torch.float64),
    }
    codes = DenseCodes(pre, JumpRelu().values(pre, learned))
    for slopes, gates, expectation in (
        (torch.zeros_like(pre), torch.ones_like(pre) / n, lambda t: (pre > t).double().mean()),
        (torch.ones_like(pre) / n, torch.zeros_like(pre), lambda t: (pre * (pre > t)).mean()),
    ):
        _, along = JumpRelu().backward(codes, slopes, learned, gates)
        difference = (expectation(theta + step) - expectation(theta - step)) / (2 * step)
        assert along["thresholds"].sum().item() == pytest.approx(difference.item(), rel=2e-3)


def test_thresholds_do_not_become_negative():
    tensors = make_jumping(40, 8, False, 0.0, 1.0)
    model = Model(tensors, JumpRelu(), TargetL0(39.0), whole(40))
    x, adam = make_rows(60, 8), Adam(tensors)
    backend = make_backend("dense", 60, x.dtype)
    for _ in range(20):
        take_step(backend, model, adam, x, x.new_ones(60), 60, 0.3)
    assert (tensors["thresholds"] >= 0).all()
    assert (tensors["thresholds"] == 0).any()
    assert torch.equal(tensors["bandwidths"], torch.ones(40, dtype=torch.float64))


def test_it_starts_with_so_many_codes_as_were_positive():
    tensors = make_tensors(40, 8, False, 0.0, torch.float32)
    learned = {name: start.float() for name, start in JumpRelu().learned(40).items()}
    tensors = Tensors({**tensors, **learned})
    x = make_rows(3000, 8, dtype=torch.float32)
    tensors.bias.fill_(-2.0)
    fired = (x @ tensors.encoder.T + tensors.bias > 0).sum(0)
    JumpRelu().calibrate(tensors, x)
    again = (x @ tensors.encoder.T + tensors.bias > tensors["thresholds"]).sum(0)
    assert (fired - again).abs().max() <= 1
    spread = (x @ tensors.encoder.T).std(0)
    torch.testing.assert_close(tensors["bandwidths"], BANDWIDTH * spread, rtol=0.1, atol=0.01)


def test_it_is_one_of_the_nonlinearities():
    assert NONLINEARITIES["jumprelu"] is JumpRelu
