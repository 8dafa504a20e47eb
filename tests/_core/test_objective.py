"""The analytic gradient is that of autograd, and the reduction is the documented one."""

import pytest
import torch

from skdict._core import Objective, Parameters


def make_parameters(m, d, tied, bias, seed=0):
    generator = torch.Generator().manual_seed(seed)
    components = torch.randn(m, d, generator=generator, dtype=torch.float64)
    components /= components.norm(dim=1, keepdim=True)
    encoder = components
    if not tied:
        encoder = torch.randn(m, d, generator=generator, dtype=torch.float64)
    return Parameters(components, encoder, torch.full((m,), bias, dtype=torch.float64))


def autograd(x, parameters, alpha):
    """Return the loss and gradients with rows normalised inside the graph."""
    raw = parameters.components.clone().requires_grad_()
    encoder = parameters.encoder.clone().requires_grad_()
    bias = parameters.bias.clone().requires_grad_()
    components = raw / raw.norm(dim=1, keepdim=True)
    codes = torch.relu(x @ (components if parameters.tied else encoder).T + bias)
    error = (x - codes @ components).square().sum(1).mean()
    loss = error + alpha * codes.sum(1).mean()
    wanted = [raw, bias] if parameters.tied else [raw, encoder, bias]
    return loss, torch.autograd.grad(loss, wanted, allow_unused=True)


@pytest.mark.parametrize("products", ["over all codes", "over active codes"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("n", "m", "d", "bias"),
    [(32, 20, 8, 0.0), (7, 5, 16, -0.5), (1, 12, 4, 0.0), (9, 6, 5, -100.0), (9, 6, 5, 100.0)],
    ids=["half active", "few active", "one row", "none active", "all active"],
)
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_gradient_equals_autograd(n, m, d, bias, alpha, tied, products):
    parameters = make_parameters(m, d, tied, bias)
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    cost = 1e12 if products == "over all codes" else 1e-12
    objective = Objective(parameters, n + 3, torch.float64, active_cost=cost)
    sums = objective(x, parameters, alpha)
    if products == "over active codes":
        # The first batch is dense, for nothing is known yet of how many codes are active.
        objective._over_all = None
        objective.gradients[0].fill_(torch.nan)
        sums = objective(x, parameters, alpha)
    loss, gradients = autograd(x, parameters, alpha)
    assert (sums.squared_error + alpha * sums.code_sum) / n == pytest.approx(loss.item())
    for mine, reference in zip(objective.gradients, gradients, strict=True):
        reference = torch.zeros_like(mine) if reference is None else reference
        torch.testing.assert_close(mine, reference, rtol=1e-9, atol=1e-11)


def test_few_active_codes_turn_to_products_over_them():
    parameters = make_parameters(64, 32, True, -3.0)
    x = 2 * torch.randn(40, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    objective = Objective(parameters, 40, torch.float64, active_cost=100)
    ways = []
    for name in ("_over_all", "_over_active"):
        method = getattr(objective, name)
        setattr(objective, name, lambda *a, m=method, n=name: (ways.append(n), m(*a))[1])
    objective(x, parameters, 0.1)
    objective(x, parameters, 0.1)
    parameters.bias.fill_(3.0)
    objective(x, parameters, 0.1)
    objective(x, parameters, 0.1)
    assert ways == ["_over_all", "_over_active", "_over_active", "_over_all"]


def test_gradient_is_tangent_to_the_sphere():
    parameters = make_parameters(10, 6, True, -0.1)
    x = torch.randn(50, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    objective = Objective(parameters, 50, torch.float64)
    objective(x, parameters, 0.1)
    along = (objective.gradients[0] * parameters.components).sum(1)
    assert along.abs().max() < 1e-12


def test_reduction_by_hand():
    # One unit direction e1, rows (3, 4) and (-1, 0): codes 3 and 0; errors 16 and 1.
    components = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    parameters = Parameters(components, components, torch.zeros(1, dtype=torch.float64))
    x = torch.tensor([[3.0, 4.0], [-1.0, 0.0]], dtype=torch.float64)
    sums = Objective(parameters, 2, torch.float64)(x, parameters, 0.5)
    assert sums.squared_error.item() == 17
    assert sums.code_sum.item() == 3
    assert sums.n_fired.tolist() == [1]


def test_alpha_of_the_published_code_times_the_width_is_alpha_here():
    d = 512
    parameters = make_parameters(30, d, True, 0.0)
    x = torch.randn(20, d, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    codes = torch.relu(x @ parameters.components.T)
    error = x - codes @ parameters.components
    published = error.square().mean() + 8.577e-4 * codes.sum(1).mean()
    sums = Objective(parameters, 20, torch.float64)(x, parameters, 0.439)
    ours = (sums.squared_error + 8.577e-4 * d * sums.code_sum) / 20
    assert published.item() * d == pytest.approx(ours.item())
    assert 8.577e-4 * d == pytest.approx(0.439, abs=2e-4)


def test_rounded_products_stay_close():
    parameters = make_parameters(64, 32, True, -0.2)
    parameters = Parameters(*([parameters.components.float()] * 2), parameters.bias.float())
    x = torch.randn(128, 32, generator=torch.Generator().manual_seed(4))
    exact = Objective(parameters, 128, torch.float32)
    rounded = Objective(parameters, 128, torch.bfloat16)
    exact(x, parameters, 0.1)
    rounded(x, parameters, 0.1)
    difference = (exact.gradients[0] - rounded.gradients[0]).norm() / exact.gradients[0].norm()
    assert 1e-5 < difference < 0.05
