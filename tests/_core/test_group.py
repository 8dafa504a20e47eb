"""Processes that share each batch, or hold parts of a dictionary, train as one does."""

import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from skdict._core import L1, NONLINEARITIES, Levels, TargetL0, Trainer, random_tensors
from skdict._core._backends import is_compiled
from skdict._core._group import ALONE
from skdict._core._plan import Plan
from skdict._core._processes import Processes
from skdict._core._selection import kth_largest, largest_of_batch, largest_of_rows
from skdict._core._start import draw_normal
from skdict._core._threshold import shared_threshold

sys.path.insert(0, str(Path(__file__).parent))
from in_process_group import ThreadGroup, run_in_threads

KS = {"relu": [], "topk": [4], "batch_topk": [3.5], "jumprelu": []}
WAYS = ["dense", "portable"] + ["compiled"] * is_compiled()
M, D, N = 47, 16, 65


def new_trainer(group, way, tied, kind, levels=None):
    """Return a float64 trainer in which some features are dead from the start."""
    nonlinearity = NONLINEARITIES[kind](*KS[kind])
    tensors = random_tensors(
        M,
        D,
        tied=tied,
        nonlinearity=nonlinearity,
        generator=torch.Generator().manual_seed(0),
        dtype=torch.float64,
        device=torch.device("cpu"),
        features=group.features,
    )
    start, stop = group.features.span(M)
    tensors.bias.copy_(torch.where(torch.arange(M) % 4 == 1, -9.0, -1.5)[start:stop])
    sample = torch.randn(500, D, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    nonlinearity.calibrate(tensors, sample)
    return Trainer(
        tensors,
        nonlinearity,
        TargetL0(4.0) if kind == "jumprelu" else L1(0.1 if kind == "relu" else 0.0),
        learning_rate=1e-2,
        batch_size=N,
        product_dtype=torch.float64,
        compiled=way == "compiled",
        group=group,
        levels=None if levels is None else levels.of_span(start, stop),
        silent_steps=3 if "topk" in kind else None,
    )


def train(group, *options, n_steps=14):
    """Return the state of a trainer after some steps on odd batches, with a resampling between."""
    trainer = new_trainer(group, *options)
    generator = torch.Generator().manual_seed(1)
    for step in range(n_steps):
        x = torch.randn(N, D, generator=generator, dtype=torch.float64)
        weights = (3 * torch.rand(N, generator=generator, dtype=torch.float64)).clamp(max=1)
        trainer.step(group.rows.part(x), weights=group.rows.part(weights), n_rows=N)
        if step == n_steps // 2:
            trainer.firing_counts.clamp_(max=5).sub_(5).clamp_(min=-4)
            trainer.resample(x, 0.1, torch.Generator().manual_seed(3))
    read = trainer.read(5)
    if trainer.penalty.alpha or trainer.penalty.counts:
        read["held_out"] = trainer.l0(x)
    return trainer.state(), read


def assert_trains_as_one(monkeypatch, shard, size, way, *options):
    if way != "dense":
        monkeypatch.setattr(Plan, "screen", lambda self, x: self._choice.screen("full"))
    alone, entry = train(ALONE, way, *options)
    results = run_in_threads(lambda m: train(m, way, *options), ThreadGroup.of(size, shard))
    assert [set(state) == set(alone) for state, _ in results].count(True) >= 1
    for state, read in results:
        for name in state.keys() - {"share_active"}:
            torch.testing.assert_close(state[name], alone[name], rtol=1e-10, atol=1e-10)
        assert read == pytest.approx(entry, rel=1e-10)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KS)
@pytest.mark.parametrize("shard", ["rows", "components"])
def test_a_group_trains_as_one_process(shard, kind, way, tied, monkeypatch):
    assert_trains_as_one(monkeypatch, shard, 2 if tied else 3, way, tied, kind)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KS)
@pytest.mark.parametrize("shard", ["rows", "components"])
def test_a_group_trains_nested_prefixes_as_one_process(shard, kind, way, monkeypatch):
    # The first process of three holds two levels, the others a part of the last one.
    levels = Levels((6, 11, M), (0.25, 0.25, 0.5))
    assert_trains_as_one(monkeypatch, shard, 3, way, False, kind, levels)


def make(shape, seed=0, levels=None):
    generator = torch.Generator().manual_seed(seed)
    values = torch.randn(shape, generator=generator, dtype=torch.float64)
    return values if levels is None else (values * levels).round() / levels


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_kth_largest_of_a_group_is_that_of_all_values(dtype):
    values = torch.cat([make(400, levels=3), torch.zeros(9), torch.tensor([1e300, 5e-324])])
    values = values.to(dtype).nan_to_num(posinf=1e30)
    for count in (0, 1, 2, 50, 190, 250, 500):
        rank = torch.tensor([count])
        members = ThreadGroup.of(3)
        found = run_in_threads(lambda m, k=rank: kth_largest(m.part(values), k, m), members)
        assert all(torch.equal(one, kth_largest(values, rank)) for one in found)


@pytest.mark.parametrize("levels", [None, 1, 3])
@pytest.mark.parametrize("k", [1, 4, 9])
def test_features_are_selected_as_one_process_does(levels, k):
    strengths, eligible = make((21, 20), levels=levels), torch.arange(21) % 5 != 0
    for select in (
        lambda part, group: largest_of_rows(part, k, features=group.features),
        lambda part, group: largest_of_batch(part, k - 0.5, eligible, group),
    ):
        parts = run_in_threads(
            lambda m, select=select: select(m.part(strengths.T).T, m),
            ThreadGroup.of(3, "components"),
        )
        assert torch.equal(torch.cat(parts, 1), select(strengths, ALONE))


@pytest.mark.parametrize("shard", ["rows", "components"])
def test_the_threshold_of_a_group_is_that_of_one_process(shard):
    def threshold(group):
        trainer = new_trainer(group, "dense", False, "batch_topk")
        return shared_threshold(trainer.tensors, make((700, D), 3).split(300), 1.5, group)

    expected = threshold(ALONE)
    assert expected > 0
    found = run_in_threads(threshold, ThreadGroup.of(3, shard))
    assert found == pytest.approx([expected] * 3, rel=1e-12)


@pytest.mark.parametrize("shape", [(100, 7), (33, 1), (17, 3), (16, 1), (15, 2), (4200, 3)])
def test_parts_of_normal_numbers_are_those_of_one_draw(shape, monkeypatch):
    monkeypatch.setattr("skdict._core._start.DRAWN_ROWS", 16)
    whole = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    parts = []
    for rank, member in enumerate(ThreadGroup.of(3)):
        generator = torch.Generator().manual_seed(0)
        parts.append(draw_normal(*shape, generator, slice(*member.span(shape[0], rank))))
    assert torch.equal(torch.cat(parts), whole)
    after = torch.Generator().manual_seed(0)
    torch.randn(*shape, generator=after)
    assert torch.equal(torch.rand(3, generator=generator), torch.rand(3, generator=after))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_nccl_exchanges_tensors_of_the_gpu_and_of_the_host(tmp_path):
    place = f"file://{tmp_path}/group"
    dist.init_process_group("nccl", init_method=place, rank=0, world_size=1)
    try:
        group = Processes("rows")
        for device in ("cuda", "cpu"):
            given = torch.arange(12.0, dtype=torch.float64, device=device).view(3, 4)
            # A column is not contiguous.
            columns = [given[:, 1], given.long()]
            for exchange in (group.sum_, group.max_, group.broadcast_):
                exchange(columns)
            found = [*columns, group.gather(given)[0], group.joined(given, 3)]
            due = [given[:, 1], given.long(), given, given]
            for one, other in zip(found, due, strict=True):
                assert one.device.type == device
                torch.testing.assert_close(one, other)
        assert group.total(7) == 7
        assert group.gather_objects({"a": 1}) == [{"a": 1}]
    finally:
        dist.destroy_process_group()
