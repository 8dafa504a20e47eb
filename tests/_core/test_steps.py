"""Every way of a step has the gradient of autograd, and the reduction is the documented one."""

import pytest
import torch

from skdict._core import Parameters
from skdict._core._adam import Adam
from skdict._core._compiled import CompiledStep, is_compiled
from skdict._core._objective import DenseObjective
from skdict._core._products import multiplier
from skdict._core._screening import Screen
from skdict._core._steps import DenseStep, PortableStep

WAYS = ["dense", "portable"] + ["compiled"] * is_compiled()
# What Adam keeps of the first gradient.
KEPT = 0.1


def make_parameters(m, d, tied, bias, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    components = torch.randn(m, d, generator=generator, dtype=torch.float64)
    components /= components.norm(dim=1, keepdim=True)
    encoder = torch.randn(m, d, generator=generator, dtype=torch.float64).to(dtype)
    components = components.to(dtype)
    return Parameters(
        components, components if tied else encoder, torch.full((m,), bias, dtype=dtype)
    )


def make_rows(n, d, seed=1, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def make_weights(n, dtype=torch.float64):
    """Return weights of rows as outliers have them: some 1, some far below."""
    generator = torch.Generator().manual_seed(5)
    return (3 * torch.rand(n, generator=generator, dtype=torch.float64)).clamp(max=1).to(dtype)


def autograd(x, parameters, alpha, weights):
    """Return the loss and gradients with rows normalised inside the graph."""
    raw = parameters.components.clone().requires_grad_()
    encoder = parameters.encoder.clone().requires_grad_()
    bias = parameters.bias.clone().requires_grad_()
    components = raw / raw.norm(dim=1, keepdim=True)
    codes = torch.relu(x @ (components if parameters.tied else encoder).T + bias)
    losses = (x - codes @ components).square().sum(1) + alpha * codes.sum(1)
    loss = (weights * losses).mean()
    wanted = [raw, bias] if parameters.tied else [raw, encoder, bias]
    return loss, torch.autograd.grad(loss, wanted, allow_unused=True), codes


def take_step(way, x, parameters, alpha, learning_rate=0.0, kind="full", weights=None):
    """Take one step; return the sums and Adam."""
    weights = x.new_ones(len(x)) if weights is None else weights
    adam = Adam(parameters.tensors())
    if way == "dense":
        dtype = parameters.bias.dtype
        multiply = multiplier(dtype, dtype, torch.device("cpu"))
        step = DenseStep(parameters, adam, len(x) + 3, multiply)
        return step(x, weights, alpha, learning_rate), adam
    step = (CompiledStep if way == "compiled" else PortableStep)(parameters, adam)
    screen = Screen(parameters.encoder, parameters.bias, kind)
    return step(x, weights, screen, alpha, learning_rate), adam


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("n", "m", "d", "bias"),
    [
        (32, 20, 8, 0.0),
        (7, 5, 16, -0.5),
        (300, 90, 24, -1.5),
        (1, 12, 4, 0.0),
        (1, 1, 1, 0.5),
        (9, 6, 5, -100.0),
        (9, 6, 5, 100.0),
    ],
    ids=["half", "few", "sparse", "one row", "one of all", "none active", "all active"],
)
@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_gradient_equals_autograd(n, m, d, bias, alpha, tied, way):
    parameters = make_parameters(m, d, tied, bias)
    x, weights = make_rows(n, d), make_weights(n)
    loss, gradients, codes = autograd(x, parameters, alpha, weights)
    sums, adam = take_step(way, x, parameters, alpha, weights=weights)
    losses = weights * (sums.squared_errors + alpha * sums.code_sums)
    assert losses.mean() == pytest.approx(loss.item())
    assert sums.n_fired.tolist() == (codes > 0).sum(0).tolist()
    for kept, reference in zip(adam.first, gradients, strict=True):
        reference = torch.zeros_like(kept) if reference is None else reference
        torch.testing.assert_close(kept / KEPT, reference, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", ["int8", "bfloat16", "full"])
@pytest.mark.parametrize("way", WAYS[1:])
def test_screening_changes_no_bit(way, kind):
    x = make_rows(200, 40, dtype=torch.float32)
    results = []
    for screened in (kind, "full"):
        parameters = make_parameters(100, 40, True, -1.5, torch.float32)
        sums, adam = take_step(way, x, parameters, 0.1, 1e-2, screened)
        results.append([*parameters.tensors(), *adam.first, *adam.second, *sums])
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("way", WAYS[1:])
def test_fifty_steps_stay_with_those_over_all_codes(way, tied):
    ends = []
    for chosen in ("dense", way):
        parameters = make_parameters(60, 24, tied, -1.0)
        adam = Adam(parameters.tensors())
        if chosen == "dense":
            multiply = multiplier(torch.float64, torch.float64, torch.device("cpu"))
            step = DenseStep(parameters, adam, 128, multiply)
        else:
            step = (CompiledStep if way == "compiled" else PortableStep)(parameters, adam)
        for seed in range(50):
            how = []
            if chosen != "dense":
                how = [Screen(parameters.encoder, parameters.bias, "full")]
            step(make_rows(128, 24, seed), make_weights(128), *how, 0.1, 3e-3)
        ends.append(parameters)
    for one, other in zip(ends[0].tensors(), ends[1].tensors(), strict=True):
        # The torch kernel of Adam counts its steps in float32.
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("way", WAYS)
def test_a_feature_that_never_fires_stays(way):
    parameters = make_parameters(30, 12, True, -1.0)
    parameters.bias[4] = -1e3
    before = parameters.components[4].clone()
    sums, _ = take_step(way, make_rows(50, 12), parameters, 0.1, 1e-2)
    assert sums.n_fired[4] == 0
    torch.testing.assert_close(parameters.components[4], before, rtol=1e-15, atol=1e-15)
    assert parameters.bias[4] == -1e3
    lengths = parameters.components.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_codes_beyond_the_room_taken_at_first_are_kept():
    if not is_compiled():
        pytest.skip("numba is not installed")
    parameters = make_parameters(500, 16, True, 1.0)
    x = make_rows(64, 16)
    adam = Adam(parameters.tensors())
    step = CompiledStep(parameters, adam)
    few = Screen(parameters.encoder, parameters.bias, "full")
    weights = make_weights(64)
    sums = step(x, weights, few, 0.1, 0.0)
    _, gradients, codes = autograd(x, parameters, 0.1, weights)
    assert sums.n_fired.sum() == (codes > 0).sum() > 64 * 64
    torch.testing.assert_close(adam.first[0] / KEPT, gradients[0], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("way", WAYS)
def test_reduction_by_hand(way):
    # One unit direction e1, rows (3, 4) and (-1, 0): codes 3 and 0; errors 16 and 1.
    components = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    parameters = Parameters(components, components, torch.zeros(1, dtype=torch.float64))
    x = torch.tensor([[3.0, 4.0], [-1.0, 0.0]], dtype=torch.float64)
    sums, _ = take_step(way, x, parameters, 0.5)
    assert sums.squared_errors.tolist() == pytest.approx([16, 1])
    assert sums.code_sums.tolist() == pytest.approx([3, 0])
    assert sums.n_fired.tolist() == [1]


def test_alpha_of_the_published_code_times_the_width_is_alpha_here():
    d = 512
    parameters = make_parameters(30, d, True, 0.0)
    x = make_rows(20, d, 3)
    codes = torch.relu(x @ parameters.components.T)
    error = x - codes @ parameters.components
    published = error.square().mean() + 8.577e-4 * codes.sum(1).mean()
    sums, _ = take_step("dense", x, parameters, 0.439)
    ours = (sums.squared_errors + 8.577e-4 * d * sums.code_sums).mean()
    assert published.item() * d == pytest.approx(ours.item())
    assert 8.577e-4 * d == pytest.approx(0.439, abs=2e-4)


def test_rounded_products_stay_close():
    parameters = make_parameters(64, 32, True, -0.2, torch.float32)
    x = make_rows(128, 32, 4, torch.float32)
    gradients = {}
    for dtype in (torch.float32, torch.bfloat16):
        multiply = multiplier(torch.float32, dtype, torch.device("cpu"))
        objective = DenseObjective(parameters, 128, multiply)
        gradients[dtype] = [torch.empty_like(tensor) for tensor in parameters.tensors()]
        objective(x, make_weights(128, torch.float32), parameters, 0.1, gradients[dtype])
    exact, rounded = gradients[torch.float32][0], gradients[torch.bfloat16][0]
    assert 1e-5 < (exact - rounded).norm() / exact.norm() < 0.05
