"""Selections of the largest entries are those of sorting."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from skdict._core._selection import kth_largest, largest_of_batch, largest_of_rows
from skdict._core._tensors import Tensors
from skdict._core._threshold import shared_threshold

sys.path.insert(0, str(Path(__file__).parent))
from in_process_group import ThreadGroup, run_in_threads


def make(shape, seed=0, dtype=torch.float64, levels=None):
    """Return numbers of both signs, with many ties if there are few levels."""
    values = np.random.default_rng(seed).standard_normal(shape)
    values = values if levels is None else np.round(values * levels) / levels
    return torch.tensor(values, dtype=dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("levels", [None, 3])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_kth_largest_is_that_of_sorting(scale, levels, dtype):
    values = make((2, 501), dtype=dtype, levels=levels) * scale
    ordered = values.sort(descending=True).values.clamp(min=0)
    for count in (1, 2, 40, 250, 300, 501):
        found = kth_largest(values, torch.tensor([[count], [count + 0]]))
        assert torch.equal(found[:, 0], ordered[:, count - 1])
    assert kth_largest(values, torch.tensor([[0], [600]]))[:, 0].tolist() == [torch.inf, 0]


def test_a_stack_has_a_k_for_each():
    strengths = make((3, 20, 15), levels=2)
    ks = torch.tensor([[1], [4], [15]])
    eligible = torch.arange(20) != 7
    together = largest_of_rows(strengths, ks), largest_of_batch(strengths, ks * 0.5, eligible)
    for i, k in enumerate(ks.flatten().tolist()):
        assert torch.equal(together[0][i], largest_of_rows(strengths[i], k))
        assert torch.equal(together[1][i], largest_of_batch(strengths[i], k * 0.5, eligible))


@pytest.mark.parametrize("levels", [None, 1, 3])
def test_a_group_selects_as_one_process_does(levels):
    strengths, eligible = make((21, 15), levels=levels), torch.arange(21) % 5 != 0

    def select(group):
        return largest_of_batch(group.part(strengths), 2.3, group.part(eligible), group)

    parts = run_in_threads(select, ThreadGroup.of(3))
    assert torch.equal(torch.cat(parts), largest_of_batch(strengths, 2.3, eligible))


@pytest.mark.parametrize("k", [0.01, 0.5, 3, 11, 40])
@pytest.mark.parametrize("held", [2**24, 500])
def test_a_shared_threshold_leaves_k_a_row(k, held, monkeypatch):
    monkeypatch.setattr("skdict._core._threshold.MOST_HELD", held)
    monkeypatch.setattr("skdict._core._threshold.PART_ROWS", 64)
    tensors = Tensors({"components": make((40, 12), 1), "bias": make(40, 2)})
    rows = make((300, 12), 3)
    threshold = shared_threshold(tensors, rows.split(70), k)
    n_read = min(300, max(64, int(held / k)))
    pre = (rows[:n_read] @ tensors.encoder.T + tensors.bias).flatten().sort(descending=True).values
    count = int(k * n_read)
    if count == len(pre) or pre[count] <= 0:
        assert threshold == 0
    else:
        assert threshold == pytest.approx((pre[count - 1] + pre[count]).item() / 2)
        assert (pre > threshold).sum() == count
