"""How a batch is gone through is chosen by measurement, and screening is watched."""

import pytest
import torch

from skdict._core import Parameters, Trainer, _compiled, _plan, _screening_choice
from skdict._core._plan import Costs, Plan, measure_costs
from skdict._core._screening import Screen
from skdict._core._steps import PortableStep


@pytest.fixture
def parameters():
    generator = torch.Generator().manual_seed(0)
    components = torch.randn(512, 64, generator=generator)
    components /= components.norm(dim=1, keepdim=True)
    return Parameters(components, components, torch.full((512,), -2.5))


@pytest.fixture
def rows():
    return torch.randn(256, 64, generator=torch.Generator().manual_seed(1))


def plan_with(parameters, monkeypatch, **costs):
    monkeypatch.setattr(_screening_choice, "_records", {})
    known = {"dense": 1e-8, "find": 1e-9, "active": 1e-7} | costs
    monkeypatch.setattr(_plan, "_times", {})
    monkeypatch.setattr(_plan, "measure_costs", lambda *_: Costs(**known))
    return Plan(parameters, 4096, compiled=False)


def test_measured_costs_make_sense():
    costs = measure_costs(128, torch.float32, False, {})
    assert 0 < costs.find < costs.dense
    # On a busy machine few active codes may seem as dear as many.
    assert costs.active >= 0


def test_costs_that_other_work_swelled_are_measured_again(monkeypatch):
    known = {}
    for seconds, expected in ((0.5, 0.5), (0.1, 0.1), (0.3, 0.1)):
        monkeypatch.setattr(_plan, "best_seconds", lambda *_, now=seconds: now)
        assert measure_costs(64, torch.float32, False, known).dense == expected / (256 * 1024)


def test_a_long_fit_measures_now_and_then(parameters, rows, monkeypatch):
    plan = plan_with(parameters, monkeypatch)
    monkeypatch.setattr(_plan, "BATCHES_BETWEEN_MEASUREMENTS", 3)
    times = []
    costs = Costs(1e-8, 1e-9, 1e-7)
    monkeypatch.setattr(_plan, "measure_costs", lambda *_: times.append(1) or costs)
    for _ in range(7):
        plan.screen(rows)
    assert len(times) == 3


def test_few_active_codes_are_gone_through_alone(parameters, rows, monkeypatch):
    plan = plan_with(parameters, monkeypatch)
    assert plan.screen(rows) is not None
    assert plan.share_active == pytest.approx(0.006, abs=0.005)
    plan.share_active = 0.5
    assert plan.screen(rows) is None
    plan.share_active = 0.08
    assert plan.screen(rows) is not None


def test_the_first_batch_is_looked_at(parameters, rows, monkeypatch):
    parameters.bias.fill_(1.0)
    plan = plan_with(parameters, monkeypatch)
    assert plan.screen(rows) is None
    assert plan.share_active > 0.5


def test_little_work_is_not_measured(parameters):
    assert Plan(parameters, 8, compiled=False).screen(None) is None


def test_the_fastest_screening_is_used_after_its_trials(parameters, rows, monkeypatch):
    plan = plan_with(parameters, monkeypatch)
    seconds = {"int8": 3.0, "bfloat16": 1.0, "full": 2.0}
    used = []
    trials = 3 * _screening_choice.TRIALS
    for _ in range(trials + 5):
        screen = plan.screen(rows)
        used.append(screen.kind)
        plan.took(screen, seconds[screen.kind])
    assert set(used[:trials]) == set(seconds)
    assert used[trials:] == ["bfloat16"] * 5


def test_screening_that_misses_codes_is_told_of_and_dropped(parameters, rows, monkeypatch):
    monkeypatch.setattr(_screening_choice, "_distrusted", set())
    products = Screen.products

    def saturating(self, x, out):
        out = products(self, x, out)
        return out.clamp_(max=100) if self.kind == "int8" else out

    monkeypatch.setattr(Screen, "products", saturating)
    plan = plan_with(parameters, monkeypatch)
    with pytest.warns(RuntimeWarning, match="int8 missed active codes"):
        kinds = {plan.screen(rows).kind for _ in range(6)}
    assert kinds == {"bfloat16", "full"}


def test_a_processor_without_narrow_products_goes_without(parameters, rows, monkeypatch):
    monkeypatch.setattr(_screening_choice, "_distrusted", set())
    products = Screen.products

    def missing(self, x, out):
        if self.kind != "full":
            raise RuntimeError("not implemented for this processor")
        return products(self, x, out)

    monkeypatch.setattr(Screen, "products", missing)
    plan = plan_with(parameters, monkeypatch)
    assert {plan.screen(rows).kind for _ in range(6)} == {"full"}


def test_without_a_compiler_steps_are_portable(parameters, monkeypatch):
    monkeypatch.setattr(_compiled, "_kernels", None)
    settings = {"alpha": 0.1, "learning_rate": 1e-3, "batch_size": 4096}
    trainer = Trainer(parameters, product_dtype=torch.float32, **settings)
    assert isinstance(trainer._sparse_step, PortableStep)
    trainer.step(torch.randn(4096, 64, generator=torch.Generator().manual_seed(2)))
    assert trainer.read(10)["l0"] > 0


def test_float64_is_never_screened_in_less(rows):
    generator = torch.Generator().manual_seed(0)
    components = torch.randn(512, 64, generator=generator, dtype=torch.float64)
    bias = torch.full((512,), -20.0, dtype=torch.float64)
    plan = Plan(Parameters(components, components, bias), 4096, compiled=False)
    assert plan.screen(rows.double()).kind == "full"
