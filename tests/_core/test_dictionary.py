"""Frozen tensors encode and decode as the formulas say."""

import numpy as np
import pytest
import torch

from skdict._core import AffineDictionary, Gate
from skdict._core._backends.compiled_finder import CompiledFinder, is_compiled
from skdict._core._backends.portable import PortableFinder
from skdict._core._screening.bounds import Screen
from skdict._core._screening.search import Search

FINDERS = [PortableFinder] + [CompiledFinder] * is_compiled()


def test_encode_and_decode():
    arrays = {
        "components": np.array([[1.0, 0.0], [0.0, 2.0]]),
        "encoder": np.array([[1.0, 1.0], [0.0, -1.0]]),
        "encoder_bias": np.array([-1.0, 0.0]),
        "center": np.array([1.0, 0.0]),
        "offset": np.array([5.0, 5.0]),
    }
    dictionary = AffineDictionary.from_arrays(dtype=torch.float64, device="cpu", **arrays)
    x = torch.tensor([[3.0, 2.0], [0.0, -3.0]], dtype=torch.float64)
    codes = dictionary.encode(x)
    assert codes.tolist() == [[3.0, 0.0], [0.0, 3.0]]
    assert dictionary.decode(codes).tolist() == [[8.0, 5.0], [5.0, 11.0]]
    moved = dictionary.to(torch.float32)
    assert moved.encode(x.float()).dtype == torch.float32


def test_a_gate_is_affine_beyond_its_thresholds():
    gate = Gate(np.array([0.5, 0.0]), np.array([2.0, 1.0]), np.array([0.0, 3.0]))
    pre = torch.tensor([[0.5, 0.1], [1.0, -1.0]], dtype=torch.float64)
    assert gate(pre).tolist() == [[0.0, 3.1], [2.0, 0.0]]
    assert gate.cutoff(pre[0]).tolist() == [0.5, 0.0]
    assert Gate()(pre).tolist() == pre.clamp(min=0).tolist()


def test_a_gate_with_k_selects_before_gains():
    pre = torch.tensor([[3.0, 2.0, -9.0], [-1.0, 1.0, -2.0]], dtype=torch.float64)
    gate = Gate(gains=np.array([1.0, 100.0, 1.0]), k=1)
    assert gate(pre).tolist() == [[3.0, 0.0, 0.0], [0.0, 100.0, 0.0]]
    assert Gate(k=1, signed=True)(pre).tolist() == [[0.0, 0.0, -9.0], [0.0, 0.0, -2.0]]
    assert Gate(k=3)(pre[None]).tolist() == [[[3.0, 2.0, 0.0], [0.0, 1.0, 0.0]]]


@pytest.mark.parametrize(
    "gate",
    [
        Gate(),
        Gate(k=4),
        Gate(np.full(90, 0.8), np.linspace(0.5, 2, 90), np.linspace(0, 1, 90)),
        Gate(None, np.linspace(0.5, 2, 90), np.linspace(0, 1, 90), k=4),
    ],
    ids=["relu", "k", "thresholds", "k and gains"],
)
@pytest.mark.parametrize("finder", FINDERS)
def test_entries_are_those_of_all_pre_activations(finder, gate):
    generator = torch.Generator().manual_seed(0)
    x, encoder = torch.randn(50, 20, generator=generator), torch.randn(90, 20, generator=generator)
    bias = torch.linspace(-4, 0, 90)
    screen = Screen(encoder, bias, "full")
    codes = gate.entries(Search(finder(), x, encoder, bias, screen), bias)
    torch.testing.assert_close(codes.to_dense(90), gate(x @ encoder.T + bias))


def test_what_is_not_a_number_stays_so():
    assert Gate()(torch.tensor([torch.nan, -1.0])).isnan().tolist() == [True, False]
