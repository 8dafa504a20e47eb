"""Every back end has the gradient of autograd, and the reduction is the documented one."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from skdict._core import L1, Tensors
from skdict._core._adam import Adam
from skdict._core._backends import Compiled, Dense, is_compiled
from skdict._core._backends.base import Backend
from skdict._core._model import Model
from skdict._core._nonlinearities import Relu
from skdict._core._objectives import Levels, whole
from skdict._core._products import multiplier
from skdict._core._screening.bounds import Screen
from skdict._core._step import take_step

sys.path.insert(0, str(Path(__file__).parent))
from reference_step import (
    WAYS,
    assert_gradients,
    autograd,
    make_backend,
    make_rows,
    make_tensors,
    make_weights,
    step,
)


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
    tensors = make_tensors(m, d, tied, bias)
    x, weights = make_rows(n, d), make_weights(n)
    loss, gradients, codes = autograd(x, tensors, alpha, weights)
    sums, adam = step(way, x, tensors, alpha, weights=weights)
    assert (weights * (sums.squared_errors + sums.penalties)).mean() == pytest.approx(loss.item())
    assert sums.n_fired.tolist() == (codes > 0).sum(0).tolist()
    assert_gradients(adam, gradients)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("ends", [(20, 90), (1, 30, 31, 90)])
def test_gradient_of_nested_prefixes_equals_autograd(ends, tied, way):
    tensors = make_tensors(90, 24, tied, -1.5)
    x, weights = make_rows(300, 24), make_weights(300)
    sizes = [stop - start for start, stop in pairwise((0, *ends))]
    levels = Levels(ends, tuple(size / 90 for size in sizes))
    _, gradients, codes = autograd(x, tensors, 0.2, weights, levels)
    sums, adam = step(way, x, tensors, 0.2, weights=weights, levels=levels)
    errors = (x - codes @ tensors.components).square().sum(1)
    torch.testing.assert_close(sums.squared_errors, errors.detach())
    assert_gradients(adam, gradients)


def encoded(backend, tensors, x):
    model = Model(tensors, Relu(), L1(0.1), whole(len(tensors.bias)))
    screen = Screen(tensors.encoder, tensors.bias, "full")
    return backend.encode(x, model, torch.ones(len(x), dtype=torch.bool), screen)


@pytest.mark.parametrize("ends", [(20, 90), (1, 30, 31, 90), (89, 90)])
@pytest.mark.parametrize("bias", [-1.5, -100.0, 100.0], ids=["sparse", "none active", "all active"])
def test_the_loop_over_nested_prefixes_does_what_the_verbs_do(ends, bias):
    if not is_compiled():
        pytest.skip("numba is not installed")
    tensors, backend = make_tensors(90, 24, True, bias), Compiled()
    levels = Levels(ends, tuple(1 / len(ends) + 0.01 * i for i in range(len(ends))))
    # A shorter batch takes part of the room of the longer one before it.
    for n in (300, 7):
        x, factors = make_rows(n, 24, seed=n), make_weights(n)
        arguments = encoded(backend, tensors, x), x, tensors.components, factors, 0.3 * factors
        errors, pulls, slopes = backend.rebuild_nested(*arguments, levels)
        expected, expected_pulls, expected_slopes = Backend.rebuild_nested(
            backend, *arguments, levels
        )
        torch.testing.assert_close(errors, expected)
        torch.testing.assert_close(slopes, expected_slopes)
        for pull, due in zip(pulls, expected_pulls, strict=True):
            assert pull[:2] == due[:2]
            torch.testing.assert_close(pull.slopes, due.slopes)


@pytest.mark.parametrize("way", WAYS)
def test_a_level_of_no_weight_changes_nothing(way):
    adams = []
    for levels in (whole(90), Levels((20, 50, 90), (0.0, 0.0, 1.0))):
        tensors = make_tensors(90, 24, False, -1.5)
        _, adam = step(way, make_rows(300, 24), tensors, 0.2, levels=levels)
        adams.append(adam)
    for name, kept in adams[0].first.items():
        torch.testing.assert_close(adams[1].first[name], kept)


@pytest.mark.parametrize("kind", ["int8", "bfloat16", "full"])
@pytest.mark.parametrize("way", WAYS[1:])
def test_screening_changes_no_bit(way, kind):
    x = make_rows(200, 40, dtype=torch.float32)
    results = []
    for screened in (kind, "full"):
        tensors = make_tensors(100, 40, True, -1.5, torch.float32)
        sums, adam = step(way, x, tensors, 0.1, 1e-2, screened)
        moments = (*adam.first.values(), *adam.second.values())
        results.append([*tensors.values(), *moments, *sums])
    assert all(torch.equal(*pair) for pair in zip(*results, strict=True))


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_fifty_steps_stay_with_the_plain_loop(way, tied):
    tensors, plain = (make_tensors(60, 24, tied, -1.0) for _ in range(2))
    adam, backend = Adam(tensors), make_backend(way, 128, torch.float64)
    model = Model(tensors, Relu(), L1(0.1), whole(60))
    weights = make_weights(128)
    first, second = ({k: torch.zeros_like(t) for k, t in plain.items()} for _ in range(2))
    for seed in range(50):
        x = make_rows(128, 24, seed)
        screen = Screen(tensors.encoder, tensors.bias, "full")
        take_step(backend, model, adam, x, weights, 128, 3e-3, screen)
        _, gradients, _ = autograd(x, plain, 0.1, weights)
        for name, tensor in plain.items():
            first[name].lerp_(gradients[name], 0.1)
            second[name].lerp_(gradients[name].square(), 0.001)
            root = (second[name] / (1 - 0.999 ** (seed + 1))).sqrt() + 1e-8
            tensor -= 3e-3 * first[name] / (1 - 0.9 ** (seed + 1)) / root
        plain.components.div_(plain.components.norm(dim=1, keepdim=True))
    for name, tensor in plain.items():
        # The torch kernel of Adam counts its steps in float32.
        tolerance = {"rtol": 1e-5, "atol": 1e-6} if way != "compiled" else {}
        torch.testing.assert_close(
            tensors[name], tensor, **(tolerance or {"rtol": 1e-9, "atol": 1e-9})
        )


@pytest.mark.parametrize("way", WAYS)
def test_a_feature_that_never_fires_stays(way):
    tensors = make_tensors(30, 12, True, -1.0)
    tensors.bias[4] = -1e3
    before = tensors.components[4].clone()
    sums, _ = step(way, make_rows(50, 12), tensors, 0.1, 1e-2)
    assert sums.n_fired[4] == 0
    torch.testing.assert_close(tensors.components[4], before, rtol=1e-15, atol=1e-15)
    assert tensors.bias[4] == -1e3
    lengths = tensors.components.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_entries_beyond_the_room_taken_at_first_are_kept():
    if not is_compiled():
        pytest.skip("numba is not installed")
    tensors = make_tensors(500, 16, True, 1.0)
    x, weights = make_rows(64, 16), make_weights(64)
    _, gradients, codes = autograd(x, tensors, 0.1, weights)
    sums, adam = step("compiled", x, tensors, 0.1, weights=weights)
    assert sums.n_fired.sum() == (codes > 0).sum() > 64 * 64
    assert_gradients(adam, gradients)


@pytest.mark.parametrize("way", WAYS)
def test_reduction_by_hand(way):
    # One unit direction e1, rows (3, 4) and (-1, 0): codes 3 and 0; errors 16 and 1.
    components = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    tensors = Tensors({"components": components, "bias": torch.zeros(1, dtype=torch.float64)})
    x = torch.tensor([[3.0, 4.0], [-1.0, 0.0]], dtype=torch.float64)
    sums, _ = step(way, x, tensors, 0.5)
    assert sums.squared_errors.tolist() == pytest.approx([16, 1])
    assert sums.penalties.tolist() == pytest.approx([1.5, 0])
    assert sums.n_fired.tolist() == [1]


def test_alpha_of_the_published_code_times_the_width_is_alpha_here():
    d = 512
    tensors = make_tensors(30, d, True, 0.0)
    x = make_rows(20, d, 3)
    codes = torch.relu(x @ tensors.components.T)
    error = x - codes @ tensors.components
    published = error.square().mean() + 8.577e-4 * codes.sum(1).mean()
    sums, _ = step("dense", x, tensors, 8.577e-4 * d)
    ours = (sums.squared_errors + sums.penalties).mean()
    assert published.item() * d == pytest.approx(ours.item())
    assert 8.577e-4 * d == pytest.approx(0.439, abs=2e-4)


def test_rounded_products_stay_close():
    x = make_rows(128, 32, 4, torch.float32)
    moved = {}
    for dtype in (torch.float32, torch.bfloat16):
        tensors = make_tensors(64, 32, True, -0.2, torch.float32)
        model = Model(tensors, Relu(), L1(0.1), whole(64))
        backend = Dense(multiplier(torch.float32, dtype, torch.device("cpu")), 128)
        adam = Adam(tensors)
        take_step(backend, model, adam, x, x.new_ones(128), 128, 0.0)
        moved[dtype] = adam.first["components"]
    exact, rounded = moved[torch.float32], moved[torch.bfloat16]
    assert 1e-5 < (exact - rounded).norm() / exact.norm() < 0.05
