"""Two processes that share each batch train as one does."""

import sys
from pathlib import Path

import pytest
import torch

from skdict._core import L1, NONLINEARITIES, TargetL0, Trainer, random_tensors
from skdict._core._backends import is_compiled
from skdict._core._plan import Plan

sys.path.insert(0, str(Path(__file__).parent))
from in_process_group import ThreadGroup, run_in_threads

KS = {"relu": [], "topk": [4], "batch_topk": [3.5], "jumprelu": []}


def train(group, way, tied, kind, n_steps=30):
    """Return the state of a float64 trainer after some steps on odd batches."""
    nonlinearity = NONLINEARITIES[kind](*KS[kind])
    tensors = random_tensors(
        48,
        16,
        tied=tied,
        nonlinearity=nonlinearity,
        generator=torch.Generator().manual_seed(0),
        dtype=torch.float64,
        device=torch.device("cpu"),
    )
    tensors.bias.fill_(-1.5)
    sample = torch.randn(500, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    nonlinearity.calibrate(tensors, sample)
    penalty = TargetL0(4.0) if kind == "jumprelu" else L1(0.1 if kind == "relu" else 0.0)
    trainer = Trainer(
        tensors,
        nonlinearity,
        penalty,
        learning_rate=1e-2,
        batch_size=65,
        product_dtype=torch.float64,
        compiled=way == "compiled",
        group=group,
        silent_steps=3 if kind == "topk" else None,
    )
    generator = torch.Generator().manual_seed(1)
    for _ in range(n_steps):
        x = torch.randn(65, 16, generator=generator, dtype=torch.float64)
        weights = (3 * torch.rand(65, generator=generator, dtype=torch.float64)).clamp(max=1)
        trainer.step(x, weights=weights)
    return trainer.state(), trainer.read(5)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("way", ["dense", "portable"] + ["compiled"] * is_compiled())
@pytest.mark.parametrize("kind", KS)
def test_a_group_of_two_trains_as_one(kind, way, tied, monkeypatch):
    if way != "dense":
        monkeypatch.setattr(Plan, "screen", lambda self, x: _screen(self))
    alone, entry = train(None, way, tied, kind)
    for state, read in run_in_threads(lambda m: train(m, way, tied, kind), ThreadGroup.of(2)):
        for name in alone:
            if name != "share_active":
                torch.testing.assert_close(state[name], alone[name], rtol=1e-10, atol=1e-10)
        assert read == pytest.approx(entry, rel=1e-10)


def _screen(plan):
    return plan._choice.screen("full")
