"""A step over all entries asks nothing of the device: fake tensors have no values to wait for.

They are fake tensors of the CPU, since those of a GPU need a torch that is built for one; batches
are so small that every step goes over all entries, as all do on a GPU.
"""

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from skdict._core import L0, L1, NONLINEARITIES, Stack, Trainer, random_tensors

KS = {"relu": [], "topk": [4], "batch_topk": [3.5], "jumprelu": []}


def new_trainer(alpha, tied, kind="relu"):
    nonlinearity = NONLINEARITIES[kind](*KS[kind])
    tensors = random_tensors(
        96,
        16,
        tied=tied,
        nonlinearity=nonlinearity,
        generator=None,
        dtype=torch.float64,
        device=torch.device("cpu"),
    )
    settings = {"learning_rate": 1e-3, "batch_size": 64, "product_dtype": torch.float64}
    return Trainer(
        tensors, nonlinearity, L0(alpha) if kind == "jumprelu" else L1(alpha), **settings
    )


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", KS)
def test_neither_a_step_nor_a_stack_waits(kind, tied):
    with FakeTensorMode():
        x, weights = torch.empty(64, 16, dtype=torch.float64), torch.empty(64, dtype=torch.float64)
        trainer = new_trainer(0.1, tied, kind)
        for _ in range(3):
            trainer.step(x, 0.5, weights)
        trainers = [new_trainer(alpha, tied, kind) for alpha in (0.1, 0.2)]
        for trainer in trainers:
            trainer.silent_steps = 5 if kind == "batch_topk" else None
        stack = Stack(trainers)
        # What is recorded as a graph on a real device is the step itself.
        for _ in range(3):
            stack.step(x, 0.5, weights)


def test_reading_waits_and_would_raise():
    with FakeTensorMode():
        trainer = new_trainer(0.1, True)
        trainer.step(torch.empty(64, 16, dtype=torch.float64))
        with pytest.raises(DataDependentOutputException):
            trainer.read(1)
