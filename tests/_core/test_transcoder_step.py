"""A step toward other rows than those encoded has the gradient of autograd, on every back end."""

import copy
import sys
from pathlib import Path

import pytest
import torch

from skdict._core import L0, L1, NONLINEARITIES, Levels, Stack, Tensors, Trainer
from skdict._core._adam import Adam
from skdict._core._group import ALONE
from skdict._core._model import Model
from skdict._core._objectives import whole
from skdict._core._plan import Plan
from skdict._core._screening.bounds import Screen
from skdict._core._start import calibrate_decoder, with_skip
from skdict._core._step import take_step

sys.path.insert(0, str(Path(__file__).parent))
from in_process_group import ThreadGroup, run_in_threads
from reference_step import (
    WAYS,
    assert_gradients,
    make_backend,
    make_rows,
    make_tensors,
    make_weights,
)

N, M, D_IN, D_OUT, K = 60, 40, 8, 5, 4
ARGUMENTS = {"relu": [], "topk": [K], "batch_topk": [K + 0.5], "jumprelu": []}
kinds = pytest.mark.parametrize("kind", ARGUMENTS)
skips = pytest.mark.parametrize("skip", [False, True], ids=["no skip", "skip"])


def make_transcoder(kind, skip, d_in=D_IN, d_out=D_OUT, dtype=torch.float64):
    """Return tensors whose encoder and decoder have different widths."""
    tensors = make_tensors(M, d_in, False, -0.5, dtype)
    values = dict(tensors) | {"components": make_tensors(M, d_out, True, 0.0, dtype).components}
    if skip:
        values["skip"] = 0.3 * make_rows(d_in, d_out, 7, dtype)
    if kind == "jumprelu":
        values["thresholds"] = torch.linspace(0, 1.5, M, dtype=dtype)
        values["bandwidths"] = torch.full((M,), 0.4, dtype=dtype)
    return Tensors(values)


def penalty_of(kind):
    return L0(0.01) if kind == "jumprelu" else L1(0.2 if kind == "relu" else 0.0)


def plain_codes(kind, pre, leaves, tensors, eligible):
    """Return codes by autograd and their penalty, row by row."""
    codes = pre.clamp(min=0)
    if kind == "relu":
        return codes, 0.2 * codes.sum(1)
    if kind == "topk":
        return codes * (codes >= codes.topk(K, dim=1).values[:, -1:]), 0
    if kind == "batch_topk":
        count = int((K + 0.5) * int(eligible.sum()))
        return codes * (codes >= codes[eligible].flatten().topk(count).values[-1]), 0
    # The straight-through estimates, written as terms whose value is zero.
    theta, width = leaves["thresholds"], tensors["bandwidths"]
    window = (((pre - theta).abs() < width / 2) & (pre > 0)).to(pre).detach()
    gates = (pre > theta).to(pre)
    moved = (theta.detach() - theta) * window / width
    codes = pre * gates + theta.detach() * moved
    return codes, 0.01 * (gates + moved).sum(1)


def plain_loss(kind, x, y, tensors, weights, levels, dead=None):
    """Return the loss by autograd and its gradients by name."""
    leaves = {name: tensors[name].clone().requires_grad_() for name in tensors.trained}
    components = leaves["components"] / leaves["components"].norm(dim=1, keepdim=True)
    pre = x @ leaves["encoder"].T + leaves["bias"]
    codes, losses = plain_codes(kind, pre, leaves, tensors, weights == 1)
    passed = x @ leaves["skip"] if "skip" in leaves else 0
    for end, weight in zip(*levels, strict=True):
        residual = y - passed - codes[:, :end] @ components[:end]
        losses = losses + weight * residual.square().sum(1)
    loss = (weights * losses).mean()
    if dead is not None:
        residual, candidates = residual.detach(), pre.clamp(min=0)[:, dead]
        top = candidates.topk(min(D_OUT // 2, int(dead.sum())), dim=1)
        kept = torch.zeros_like(candidates).scatter(1, top.indices, top.values)
        mean = (weights[:, None] * residual).sum(0) / weights.sum()
        missing = weights * (residual - kept @ components[dead]).square().sum(1)
        loss = loss + missing.sum() / (weights * (residual - mean).square().sum(1)).sum() / 32
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    return loss, dict(zip(leaves, gradients, strict=True))


def step(way, kind, x, y, tensors, weights, levels, dead=None, rate=0.0):
    adam, backend = Adam(tensors), make_backend(way, len(x) + 3, x.dtype)
    model = Model(tensors, NONLINEARITIES[kind](*ARGUMENTS[kind]), penalty_of(kind), levels)
    screen = Screen(tensors.encoder, tensors.bias, "full")
    options = x, weights, len(x), rate, screen, dead, y
    return take_step(backend, model, adam, *options), adam


@pytest.mark.parametrize("way", WAYS)
@kinds
@skips
@pytest.mark.parametrize("d_out", [D_OUT, D_IN, 2 * D_IN])
def test_gradient_equals_autograd(d_out, skip, kind, way):
    tensors = make_transcoder(kind, skip, d_out=d_out)
    x, y, weights = make_rows(N, D_IN), make_rows(N, d_out, 2), make_weights(N)
    loss, gradients = plain_loss(kind, x, y, tensors, weights, whole(M))
    sums, adam = step(way, kind, x, y, tensors, weights, whole(M))
    assert (weights * (sums.squared_errors + sums.penalties)).mean() == pytest.approx(loss.item())
    assert ("skip" in adam.first) == skip
    assert_gradients(adam, gradients)


@pytest.mark.parametrize("way", WAYS)
@kinds
@skips
def test_gradient_of_nested_prefixes_equals_autograd(skip, kind, way):
    tensors, levels = make_transcoder(kind, skip), Levels((9, 25, M), (0.2, 0.3, 0.5))
    x, y, weights = make_rows(N, D_IN), make_rows(N, D_OUT, 2), make_weights(N)
    _, gradients = plain_loss(kind, x, y, tensors, weights, levels)
    assert_gradients(step(way, kind, x, y, tensors, weights, levels)[1], gradients)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["topk", "batch_topk"])
@skips
def test_gradient_of_auxk_equals_autograd(skip, kind, way):
    tensors, dead = make_transcoder(kind, skip), torch.arange(M) % 3 == 0
    x, y, weights = make_rows(N, D_IN), make_rows(N, D_OUT, 2), make_weights(N)
    _, gradients = plain_loss(kind, x, y, tensors, weights, whole(M), dead)
    assert_gradients(step(way, kind, x, y, tensors, weights, whole(M), dead)[1], gradients)


def train(kind, tensors, batches, way="dense", group=ALONE, dtype=torch.float64):
    """Return a trainer after a step on each pair of rows and targets."""
    trainer = Trainer(
        tensors,
        NONLINEARITIES[kind](*ARGUMENTS[kind]),
        penalty_of(kind),
        learning_rate=1e-2,
        batch_size=N,
        product_dtype=dtype,
        levels=Levels((10, M), (0.5, 0.5)),
        compiled=way == "compiled",
        silent_steps=4 if "topk" in kind else None,
        group=group,
    )
    for x, y in batches:
        weights = make_weights(len(x), x.dtype)
        mine = (None if rows is None else group.rows.part(rows) for rows in (x, weights, y))
        x_here, weights, y = mine
        trainer.step(x_here, weights=weights, target=y, n_rows=len(x))
    return trainer


def pairs(count, d_in=D_IN, d_out=D_OUT, dtype=torch.float64):
    """Return batches of rows and targets."""
    seeds = range(count)
    return [(make_rows(N, d_in, s, dtype), make_rows(N, d_out, 99 + s, dtype)) for s in seeds]


@pytest.fixture
def sparse_steps(monkeypatch):
    monkeypatch.setattr(Plan, "screen", lambda plan, x: plan._choice.screen("full"))


@pytest.mark.parametrize("way", WAYS)
@kinds
def test_toward_its_own_rows_it_is_the_autoencoder(kind, way, request):
    if way != "dense":
        request.getfixturevalue("sparse_steps")
    ours, theirs = (make_transcoder(kind, False, d_out=D_IN) for _ in range(2))
    for x, _ in pairs(12):
        left = train(kind, ours, [(x, x.clone())], way)
        right = train(kind, theirs, [(x, None)], way)
        for name, tensor in ours.items():
            assert torch.equal(tensor, theirs[name])
        assert left.read(3) == right.read(3)


@kinds
@skips
def test_back_ends_agree_over_many_steps(kind, skip, request):
    dense = train(kind, make_transcoder(kind, skip), pairs(30)).tensors
    request.getfixturevalue("sparse_steps")
    for way in WAYS[1:]:
        sparse = train(kind, make_transcoder(kind, skip), pairs(30), way).tensors
        for name, tensor in dense.items():
            torch.testing.assert_close(sparse[name], tensor, rtol=1e-5, atol=1e-6)


@skips
@kinds
def test_a_group_of_two_trains_as_one(kind, skip):
    alone = train(kind, make_transcoder(kind, skip), pairs(10)).state()
    for state in run_in_threads(
        lambda member: train(kind, make_transcoder(kind, skip), pairs(10), group=member).state(),
        ThreadGroup.of(2),
    ):
        for name in alone.keys() - {"share_active"}:
            torch.testing.assert_close(state[name], alone[name], rtol=1e-9, atol=1e-10)


@kinds
@skips
def test_a_stack_ends_where_its_trainers_do(kind, skip):
    starts = [make_transcoder(kind, skip) for _ in range(3)]
    for i, tensors in enumerate(starts):
        tensors.bias.sub_(0.1 * i)
    alone = [train(kind, copy.deepcopy(tensors), pairs(15)) for tensors in starts]
    together = [train(kind, tensors, []) for tensors in starts]
    stack = Stack(together)
    for x, y in pairs(15):
        stack.step(x, weights=make_weights(N), target=y)
    for one, other in zip(together, alone, strict=True):
        for name, tensor in one.tensors.items():
            torch.testing.assert_close(tensor, other.tensors[name], rtol=1e-8, atol=1e-10)


@skips
def test_a_state_resumes_to_the_same_bits(skip):
    whole_run = train("topk", make_transcoder("topk", skip), pairs(8))
    half = train("topk", make_transcoder("topk", skip), pairs(8)[:4])
    resumed = train("topk", make_transcoder("topk", skip), [])
    resumed.restore(half.state())
    for x, y in pairs(8)[4:]:
        resumed.step(x, weights=make_weights(N), target=y)
    for name, tensor in whole_run.tensors.items():
        assert torch.equal(resumed.tensors[name], tensor)


def test_the_skip_connection_starts_as_least_squares():
    x, truth = make_rows(400, D_IN), make_rows(D_IN, D_OUT, 3)
    start = with_skip(make_transcoder("relu", False), x, x @ truth)
    assert (start["skip"] - truth).norm() < 0.01 * truth.norm()
    assert start["skip"].is_contiguous()


@skips
def test_the_decoder_starts_as_the_weighted_mean_of_targets(skip):
    x, y = make_rows(400, D_IN), make_rows(400, D_OUT, 2)
    tensors = make_transcoder("relu", skip)
    # A feature that never fires keeps its direction.
    tensors.bias[3] = -100
    before = copy.deepcopy(tensors)
    calibrate_decoder(tensors, x, y)
    left = y - x @ tensors["skip"] if skip else y
    codes = (x @ before.encoder.T + before.bias).clamp(min=0)
    for j in (0, 17, 39):
        mean = sum(code * row for code, row in zip(codes[:, j], left, strict=True))
        torch.testing.assert_close(tensors.components[j], mean / mean.norm())
    assert torch.equal(tensors.components[3], before.components[3])
    # No common factor on the codes makes the reconstruction better.
    codes = (x @ tensors.encoder.T + tensors.bias).clamp(min=0)
    errors = [(left - f * codes @ tensors.components).square().sum() for f in (0.99, 1, 1.01)]
    assert errors[1] < min(errors[0], errors[2])


def test_dead_features_start_again_from_rows_and_their_residuals():
    tensors = make_transcoder("relu", True)
    tensors.bias[:6] = -100
    trainer = train("relu", tensors, [])
    x = make_rows(500, D_IN)
    y = x @ tensors["skip"]
    # One target cannot be predicted: that of rows far along the first axis.
    far = x[:, 0] > 1.5
    y[far, 2] += 40
    before = copy.deepcopy(tensors)
    trainer.firing_counts[6:] = 1
    assert trainer.resample(x, 0.1, torch.Generator().manual_seed(0), y) == 6
    assert torch.equal(tensors["skip"], before["skip"])
    assert torch.equal(tensors.encoder[6:], before.encoder[6:])
    assert (tensors.components[:6, 2] > 0.8).all()
    assert (tensors.encoder[:6, 0] > 0).all()
    torch.testing.assert_close(tensors.components.norm(dim=1), torch.ones(M, dtype=x.dtype))
    fired = x @ tensors.encoder[:6].T + tensors.bias[:6] > 0
    assert (fired.double().mean(0) - 0.1).abs().max() < 0.01
