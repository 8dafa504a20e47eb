"""Dictionaries stepped together end where they would have ended alone."""

import pytest
import torch

from skdict._core import ALONE, L1, NONLINEARITIES, Stack, TargetL0, Trainer, random_tensors
from skdict._core._selection import batch_count

ALPHAS = [0.02, 0.1, 0.4]
KS = {"topk": [2, 5, 24], "batch_topk": [0.7, 2, 5.3]}
N, M, D = 40, 24, 10


def new_trainers(tied, dtype=torch.float64, device="cpu", kind="relu"):
    trainers = []
    for seed, alpha in enumerate(ALPHAS):
        nonlinearity = NONLINEARITIES[kind](*([KS[kind][seed]] if kind in KS else []))
        tensors = random_tensors(
            M,
            D,
            tied=tied,
            nonlinearity=nonlinearity,
            generator=torch.Generator().manual_seed(seed),
            dtype=dtype,
            device=torch.device(device),
        )
        nonlinearity.calibrate(tensors, batches(1, dtype)[0].to(device))
        penalty = L1(alpha if kind == "relu" else 0.0)
        if kind == "jumprelu":
            penalty = TargetL0(5 + seed)
        trainers.append(
            Trainer(
                tensors,
                nonlinearity,
                penalty,
                learning_rate=1e-2,
                batch_size=N,
                product_dtype=dtype,
                silent_steps=4 if kind in KS else None,
            )
        )
    return trainers


def batches(count, dtype=torch.float64):
    generator = torch.Generator().manual_seed(9)
    return [torch.randn(N - i % 2, D, generator=generator, dtype=dtype) for i in range(count)]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", NONLINEARITIES)
def test_equal_to_separate_trainers(kind, tied):
    together, alone = new_trainers(tied, kind=kind), new_trainers(tied, kind=kind)
    stack = Stack(together)
    for step, x in enumerate(batches(30)):
        rate = 1 - step / 60
        weights = torch.linspace(0.2, 2, len(x), dtype=x.dtype).clamp(max=1)
        stack.step(x, rate, weights)
        for trainer in alone:
            trainer.step(x, rate, weights)
    for one, other in zip(together, alone, strict=True):
        assert one.n_steps == other.n_steps == 30
        assert one.tensors.tied == tied
        for name, array in one.state().items():
            reference = other.state()[name]
            if name != "share_active":
                torch.testing.assert_close(array, reference, rtol=1e-8, atol=1e-10)
        entries = one.read(10), other.read(10)
        assert entries[0] == pytest.approx(entries[1])


def test_trainers_can_be_stacked_midway_and_changed_while_stacked():
    together, alone = new_trainers(True), new_trainers(True)
    data = batches(20)
    for x in data[:10]:
        for trainer in (*together, *alone):
            trainer.step(x)
    stack = Stack(together)
    together[1].penalty.strength = alone[1].penalty.strength = 0.3
    for x in data[10:]:
        stack.step(x)
        for trainer in alone:
            trainer.step(x)
    for one, other in zip(together, alone, strict=True):
        assert one.firing_counts.tolist() == other.firing_counts.tolist()
        for mine, theirs in zip(one.tensors.values(), other.tensors.values(), strict=True):
            torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10)


def test_a_stack_selects_as_many_entries_as_one_dictionary():
    # In float32 the product would be 64,600.
    one, eligible = NONLINEARITIES["batch_topk"](64.6), torch.ones(1000, dtype=torch.bool)
    stacked = one.stacked([one, one], torch.zeros(1))
    for k in (one.k, stacked.k):
        assert set(batch_count(k, eligible, ALONE).flatten().tolist()) == {64_599}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-3), (torch.float64, 1e-6)])
@pytest.mark.parametrize("kind", NONLINEARITIES)
def test_recorded_steps_on_a_gpu_are_those_of_the_cpu(kind, dtype, close):
    ends = []
    for device in ("cpu", "cuda"):
        trainers = new_trainers(True, dtype, device, kind)
        stack = Stack(trainers)
        for x in batches(20, dtype):
            stack.step(x.to(device))
        ends.append([trainer.tensors.components.cpu() for trainer in trainers])
    for one, other in zip(*ends, strict=True):
        torch.testing.assert_close(one, other, rtol=close, atol=close)
