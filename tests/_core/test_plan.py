"""Dense or sparse follows from shares alone, screening is chosen by time and watched."""

import pytest
import torch

from skdict._core import L1, NONLINEARITIES, Tensors, Trainer
from skdict._core._backends import Portable, compiled_finder
from skdict._core._plan import Plan, most_active
from skdict._core._screening import choice
from skdict._core._screening.bounds import Screen

RELU = NONLINEARITIES["relu"]()


@pytest.fixture
def tensors():
    generator = torch.Generator().manual_seed(0)
    components = torch.randn(512, 64, generator=generator)
    components /= components.norm(dim=1, keepdim=True)
    return Tensors({"components": components, "bias": torch.full((512,), -2.5)})


@pytest.fixture
def rows():
    return torch.randn(256, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def plan(tensors, monkeypatch):
    monkeypatch.setattr(choice, "_records", {})
    return Plan(tensors, RELU, 4096, compiled=False)


def test_few_active_entries_are_gone_through_alone(plan, rows):
    assert plan.screen(rows) is not None
    assert plan.share_active == pytest.approx(0.006, abs=0.005)
    plan.share_active = most_active(64, compiled=False) + 0.001
    assert plan.screen(rows) is None
    plan.share_active = most_active(64, compiled=False)
    assert plan.screen(rows) is not None


def test_the_first_batch_is_looked_at(tensors, plan, rows):
    tensors.bias.fill_(1.0)
    assert plan.screen(rows) is None
    assert plan.share_active > 0.5


def test_little_work_is_not_screened(tensors):
    assert Plan(tensors, RELU, 8, compiled=False).screen(None) is None


def test_the_fastest_screening_is_used_after_its_trials(plan, rows):
    seconds = {"int8": 3.0, "bfloat16": 1.0, "full": 2.0}
    used = []
    trials = 3 * choice.TRIALS
    for _ in range(trials + 5):
        screen = plan.screen(rows)
        used.append(screen.kind)
        plan.took(screen, seconds[screen.kind])
    assert set(used[:trials]) == set(seconds)
    assert used[trials:] == ["bfloat16"] * 5


def test_screening_that_misses_codes_is_told_of_and_dropped(plan, rows, monkeypatch):
    monkeypatch.setattr(choice, "_distrusted", set())
    products = Screen.products

    def saturating(self, x, out):
        out = products(self, x, out)
        return out.clamp_(max=100) if self.kind == "int8" else out

    monkeypatch.setattr(Screen, "products", saturating)
    with pytest.warns(RuntimeWarning, match="int8 missed codes"):
        kinds = {plan.screen(rows).kind for _ in range(6)}
    assert kinds == {"bfloat16", "full"}


def test_a_processor_without_narrow_products_goes_without(plan, rows, monkeypatch):
    monkeypatch.setattr(choice, "_distrusted", set())
    products = Screen.products

    def missing(self, x, out):
        if self.kind != "full":
            raise RuntimeError("not implemented for this processor")
        return products(self, x, out)

    monkeypatch.setattr(Screen, "products", missing)
    assert {plan.screen(rows).kind for _ in range(6)} == {"full"}


def test_without_a_compiler_steps_are_portable(tensors, monkeypatch):
    monkeypatch.setattr(compiled_finder, "kernels", None)
    settings = {"learning_rate": 1e-3, "batch_size": 4096, "product_dtype": torch.float32}
    trainer = Trainer(tensors, RELU, L1(0.1), **settings)
    assert isinstance(trainer._sparse, Portable)
    trainer.step(torch.randn(4096, 64, generator=torch.Generator().manual_seed(2)))
    assert trainer.read(10)["l0"] > 0


def test_float64_is_never_screened_in_less(rows):
    generator = torch.Generator().manual_seed(0)
    components = torch.randn(512, 64, generator=generator, dtype=torch.float64)
    bias = torch.full((512,), -20.0, dtype=torch.float64)
    plan = Plan(Tensors({"components": components, "bias": bias}), RELU, 4096, compiled=False)
    assert plan.screen(rows.double()).kind == "full"
