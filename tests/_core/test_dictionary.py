"""Frozen tensors encode and decode as the formulas say."""

import numpy as np
import torch

from skdict._core import AffineDictionary, Gate
from skdict._core._codes import Codes


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
    # The same for entries that are known to be beyond.
    entries = torch.tensor([0.1, 1.0], dtype=torch.float64)
    codes = Codes(torch.tensor([0, 1, 2]), torch.tensor([1, 0]), entries, entries)
    torch.testing.assert_close(gate.on_entries(codes).to_dense(2), gate(pre))
    assert Gate()(pre).tolist() == pre.clamp(min=0).tolist()


def test_what_is_not_a_number_stays_so():
    assert Gate()(torch.tensor([torch.nan, -1.0])).isnan().tolist() == [True, False]
